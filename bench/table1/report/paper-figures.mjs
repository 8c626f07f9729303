/** The paper's table: two hosts with 8 processors, KVM, Fast Ethernet. */

/** @type {Record<string, {column: string, tap: number, macvtap: number}>} */
export const PAPER = {
  iperf: { column: 'iperf, Mbit/s', tap: 93.1, macvtap: 93.1 },
  linpack: { column: 'LINPACK, GFLOPS', tap: 9.189, macvtap: 9.169 },
  gromacs: { column: 'GROMACS, s', tap: 246.998, macvtap: 246.545 },
  icoFoam: { column: 'OpenFOAM 1, s', tap: 194, macvtap: 192 },
  simpleFoam: { column: 'OpenFOAM 2, s', tap: 161, macvtap: 162 },
};

/** What TCP over IPv4 can carry over Fast Ethernet: 1448 of the 1538 bytes that a full frame takes on the wire. */
export const FAST_ETHERNET_GOODPUT_MBPS = 94.1;
