#!/usr/bin/env bash
# The demo's first steps on two processes as three launchers start them, whose losses must be the same: mpirun on this
# host; a Slurm of its own, one node of two tasks (srun --mpi=pmix, pmi2 where Debian's build lacks it); and mpirun over
# two network namespaces, joined by a veth pair, as over two hosts.
#
#     bench/slurm.sh [GORQA]        from the root of the repository; GORQA is bin/gorqa of make build-mpi if not given
#
# It needs root and Debian's packages (apt-get install openmpi-bin slurm-wlm munge iproute2), the cache of make fetch and
# the data of make data. Daemons, namespaces and files are gone when it ends; it takes about two minutes. Not part of CI.
set -euo pipefail
cd "$(dirname "$0")/.."
gorqa=$(realpath "${1:-bin/gorqa}")
steps=${STEPS:-3}
work=$(mktemp -d)
daemons=()
over() {
  for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null || true; done
  for name in gorqa-a gorqa-b; do ip netns del "$name" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap over EXIT

# train NAME launcher… trains, and keeps the losses and the gradient norms of the steps.
train() {
  local name=$1
  shift
  if ! "$@" "$gorqa" train sft --config examples/sft-demo.yaml --max_steps "$steps" --logging_steps 1 --do_eval false \
    --test_on_start false --test_file '' --eval_strategy no --load_best_model_at_end false --save_strategy no \
    --output_dir "$work/$name" >"$work/$name.out" 2>&1; then
    tail -n 30 "$work/$name.out" "$work"/*.log
    echo "$name failed"
    exit 1
  fi
  grep -o '"\(step\|loss\|grad_norm\)": *[^,}]*' "$work/$name/metrics.jsonl" >"$work/$name.figures"
  echo "$name: $(paste -sd ' ' "$work/$name.figures")"
  cmp "$work/mpirun.figures" "$work/$name.figures"
}

open_mpi=(mpirun --allow-run-as-root --oversubscribe --bind-to none -n 2)
train mpirun "${open_mpi[@]}"

node=$(hostname -s)
dd if=/dev/urandom of="$work/munge.key" bs=1024 count=1 status=none
chmod 400 "$work/munge.key"
mkdir -m 755 "$work/run" "$work/state" "$work/spool"
chmod 755 "$work"
munged --foreground --force --key-file "$work/munge.key" --socket "$work/run/munge" --pid-file "$work/run/munged.pid" \
  --log-file "$work/munged.log" --seed-file "$work/munge.seed" >"$work/munged.out" 2>&1 &
daemons+=($!)
cat >"$work/slurm.conf" <<END
ClusterName=gorqa
SlurmctldHost=$node(127.0.0.1)
AuthInfo=socket=$work/run/munge
SlurmUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/run/slurmctld.pid
SlurmdPidFile=$work/run/slurmd.pid
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
END
export SLURM_CONF=$work/slurm.conf
slurmctld -D >"$work/slurmctld.log" 2>&1 &
daemons+=($!)
slurmd -D >"$work/slurmd.log" 2>&1 &
daemons+=($!)
for _ in $(seq 30); do
  sinfo -h -t idle 2>/dev/null | grep -q . && break
  sleep 1
done
kind=pmix
srun --mpi=list 2>&1 | grep -qw pmix || kind=pmi2
echo "$(srun --version), --mpi=$kind"
train "srun" srun --mpi=$kind -N 1 -n 2

for name in gorqa-a gorqa-b; do
  ip netns add "$name"
  ip -n "$name" link set lo up
done
ip link add gorqa0 netns gorqa-a type veth peer name gorqa0 netns gorqa-b
ip -n gorqa-a addr add 10.77.0.1/24 dev gorqa0
ip -n gorqa-b addr add 10.77.0.2/24 dev gorqa0
ip -n gorqa-a link set gorqa0 up
ip -n gorqa-b link set gorqa0 up
# In the place of ssh: HOST COMMAND.
cat >"$work/agent" <<'END'
#!/bin/sh
host=$1
shift
exec ip netns exec "gorqa-$([ "$host" = 10.77.0.2 ] && echo b || echo a)" sh -c "$*"
END
chmod +x "$work/agent"
sent() { ip -n gorqa-b -s link show gorqa0 | awk '/TX:/ {getline; print $1}'; }
before=$(sent)
train namespaces ip netns exec gorqa-a "${open_mpi[@]}" --host 10.77.0.1,10.77.0.2 --mca plm_rsh_agent "$work/agent" \
  --mca btl tcp,self --mca btl_tcp_if_include gorqa0 --mca oob_tcp_if_include gorqa0
echo "between the namespaces: $(($(sent) - before)) bytes from the second to the first"
