#!/bin/bash
# Not run by the project. A cluster inside a Slurm allocation: sbatch slurm.sh. See docs/guides/cluster_elsewhere.md.
#SBATCH --job-name=synapse
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
set -euo pipefail

# A file system that all nodes see; secrets are in the settings file, which is readable for you alone.
folder=$HOME/synapse
set -a
. "$folder/cluster.env"
set +a
export SYNAPSE_LOCAL_ROOT=${TMPDIR:-/tmp}/synapse-$SLURM_JOB_ID
export PATH=$folder/.venv/bin:$PATH

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head --lines 1)
address=$(getent ahostsv4 "$head" | awk 'NR == 1 {print $1}')
export SYNAPSE_RAY_ADDRESS=http://$address:8265

srun --nodes=1 --ntasks=1 --nodelist="$head" synapse-assets node --head --address "$address" -- --num-cpus "$SLURM_CPUS_PER_TASK" &
sleep 30
srun --nodes=$((SLURM_NNODES - 1)) --ntasks=$((SLURM_NNODES - 1)) --exclude="$head" \
  synapse-assets node "$address:6379" -- --num-cpus "$SLURM_CPUS_PER_TASK" &
sleep 30

synapse-assets materialize my_brain
