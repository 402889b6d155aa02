# Operators and the devices they run on.
target_sources(sluice_train PRIVATE
  device.c
  ops/backends.c ops/registry.c
  ops/activation.c ops/add.c ops/batchnorm.c ops/conv2d.c ops/dropout.c ops/fork.c
  ops/globalpool.c ops/linear.c ops/pool.c ops/scale.c ops/softmax_xent.c)

# Loops over whole batches: a debug build that does not optimize them takes minutes where
# it could take seconds.
set_source_files_properties(
  ops/activation.c ops/batchnorm.c ops/conv2d.c ops/linear.c ops/pool.c
  PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:Debug>:-O1>")
