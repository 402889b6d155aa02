# ranks_rig.sh -- sourced by tests of several processes, which set mpirun.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none # containers may forbid it
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 # MPI's own

# ranks N COMMAND...: N processes of it.
ranks() {
  local count=$1
  shift
  timeout 120 "$mpirun" --oversubscribe --bind-to none -n "$count" "$@"
}
