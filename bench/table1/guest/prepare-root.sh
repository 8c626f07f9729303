#!/bin/sh
# Makes the cases that the guests compute, in the root that is being built: mmdebstrap calls it with its path, which
# already holds /opt/table1/linpack and /opt/table1/request_response. Nothing of it depends on a network.
set -eu
root=$1
home=/opt/table1
in_root() { chroot "$root" "$@"; }

# GROMACS: 510 molecules of SPC water in a box of 2.5 nm, PME. The number of steps is given at run time.
mkdir -p "$root$home/gromacs"
cat >"$root$home/gromacs/water.top" <<END
#include "oplsaa.ff/forcefield.itp"
#include "oplsaa.ff/spc.itp"
[ system ]
water
[ molecules ]
END
cat >"$root$home/gromacs/water.mdp" <<END
integrator = md
dt = 0.002
nsteps = 100
coulombtype = PME
rcoulomb = 0.9
rvdw = 0.9
tcoupl = v-rescale
tc-grps = System
tau-t = 0.1
ref-t = 300
gen-vel = yes
gen-seed = 1
constraints = h-bonds
nstlog = 0
nstenergy = 0
nstcalcenergy = 10
END
gmx=$(in_root sh -c 'command -v gmx || command -v gmx_mpi')
in_root sh -c "cd $home/gromacs && $gmx -quiet solvate -cs spc216.gro -box 2.5 2.5 2.5 -p water.top -o water.gro &&
  $gmx -quiet grompp -f water.mdp -c water.gro -p water.top -o water.tpr -maxwarn 2"

# OpenFOAM: two of its own tutorials, meshed and cut in two here, so that a guest only computes.
tutorials=/usr/share/doc/openfoam-examples/examples/incompressible
foam() {
  in_root env HOME=/root USER=root WM_PROJECT_DIR=/usr/share/openfoam LC_ALL=C sh -c "cd $home/$1 && $2"
}
decomposition() {
  cat <<END
FoamFile { version 2.0; format ascii; class dictionary; object decomposeParDict; }
numberOfSubdomains 2;
method simple;
simpleCoeffs { n (2 1 1); delta 0.001; }
END
}
set_entry() { # FILE KEYWORD VALUE, at the start of a line
  sed -i "s|^\(\s*$2\)\s.*;|\1 $3;|" "$1"
}

cp -r "$root$tutorials/icoFoam/cavity/cavity" "$root$home/icoFoam"
decomposition >"$root$home/icoFoam/system/decomposeParDict"
sed -i 's/(20 20 1)/(40 40 1)/' "$root$home/icoFoam/system/blockMeshDict"
set_entry "$root$home/icoFoam/system/controlDict" deltaT 0.0025
set_entry "$root$home/icoFoam/system/controlDict" writeInterval 100000
foam icoFoam 'blockMesh >mesh.log && decomposePar >cut.log'

cp -r "$root$tutorials/simpleFoam/pitzDaily" "$root$home/simpleFoam"
decomposition >"$root$home/simpleFoam/system/decomposeParDict"
set_entry "$root$home/simpleFoam/system/controlDict" writeInterval 100000
# The tutorial also draws streamlines, which is no part of solving.
sed -i '/^functions/,$d' "$root$home/simpleFoam/system/controlDict"
foam simpleFoam 'blockMesh -dict system/blockMeshDict >mesh.log && decomposePar >cut.log'

rm -rf "$root/usr/share/doc/openfoam-examples"
for file in gromacs/water.tpr icoFoam/processor1/constant simpleFoam/processor1/constant; do
  test -e "$root$home/$file" || { echo "prepare-root.sh: $file was not made" >&2; exit 1; }
done
