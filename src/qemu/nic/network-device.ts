/**
 * What this entry point needs of a device. `Tap`, `Tun` and `Macvtap` of `tapfd` are such devices; their documentation
 * says more.
 */
export interface QemuNetworkDevice {
  /** Borrowed. */
  readonly fd: number;
  /** What it is. A TUN is refused. */
  readonly kind: 'tap' | 'tun' | 'macvtap';
  /** The interface's name. */
  readonly name: string;
  /** The interface's index in its namespace. */
  readonly index: number;
  /** The MAC of the interface; a TUN has none. */
  readonly mac: string | undefined;
  /** How the descriptor is set up. */
  readonly flags: {
    /** 4 bytes of packet information before each frame; refused. */
    readonly packetInfo: boolean;
    /** A vnet header before each frame; QEMU finds that out by itself. */
    readonly vnetHeader: boolean;
    /** The queue takes no part in the traffic; refused. */
    readonly detached: boolean;
  };
  /** Bytes of the vnet header; 0 without. */
  readonly vnetHeaderBytes: number;
  /** True once it was closed; refused. */
  readonly destroyed: boolean;
  /** True once `fd` is not the device's any more. */
  readonly handedOff: boolean;
  /** Asks the kernel whether the interface behind the descriptor still exists. */
  isAlive(): Promise<boolean>;
  /** Leaves frames to the child that is being started. */
  suspendReading(): void;
  /** Sets up the descriptor as it was, after a QEMU had it. Never rejects. */
  restoreSettings(): Promise<void>;
  /** Takes {@link suspendReading} back when the child could not be started. */
  resumeReading(): void;
  /** Stops reading for ever and gives the descriptor away, once no call on it is under way. */
  handOffWhenIdle(): Promise<number>;
  /** Closes what is left of it. */
  destroy(): unknown;
}

/**
 * Equal for two descriptors of one interface. Two interfaces of two namespaces would have to share index, name and
 * MAC to be taken for one.
 */
export function interfaceKey({ kind, index, name, mac }: QemuNetworkDevice): string {
  return `${kind} ${index} ${name} ${mac}`;
}
