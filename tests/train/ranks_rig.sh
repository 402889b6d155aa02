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

# unlike A... : B...: two processes, of which the first runs A and the second B. mpirun has
# that too, but Open MPI 5.0.7's crashes at any colon.
unlike() {
  local first=()
  while [ "$1" != : ]; do first+=("$1") && shift; done
  shift
  ranks 2 bash -c '[ "${PMIX_RANK:-${PMI_RANK:?}}" = 0 ] && exec "${@:2:$1}"; exec "${@:2+$1}"' \
    unlike ${#first[@]} "${first[@]}" "$@"
}
