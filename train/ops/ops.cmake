# Operators and the devices they run on.
target_sources(sluice_train PRIVATE
  device.c
  ops/backends.c ops/registry.c
  ops/activation.c ops/add.c ops/add_relu.c ops/batchnorm.c ops/concat.c ops/conv2d.c ops/dropout.c ops/droppath.c ops/flatten.c ops/fork.c
  ops/distill.c ops/gate.c ops/globalpool.c ops/linear.c ops/pool.c ops/scale.c ops/softmax.c ops/softmax_xent.c)

include(cuda/cuda.cmake) # device cuda

# The reference convolution is most of what tests of networks do: optimized in a debug
# build too, which takes minutes else.
set_source_files_properties(ops/conv2d.c PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:Debug>:-O2>")

# Device cpu: oneDNN, and the kernels of kernels.h once for each instruction set. OpenMP
# is what oneDNN's threads are made of: through it the library is told to start none.
if(SLUICE_HAVE_ONEDNN)
  target_sources(sluice_train PRIVATE
    device_cpu.c device_onednn.c onednn_layer.c onednn_run.c
    ops/kernels.c ops/kernels_plain.c
    ops/channel_sums.c ops/cpu_peak.c ops/layer_onednn.c
    ops/batchnorm_cpu.c ops/concat_cpu.c ops/conv2d_cpu.c ops/conv_few.c ops/conv_skip.c
    ops/conv_split.c ops/wino_map.c
    ops/conv_wino_f32.c ops/conv_wino_f32_gather.c ops/conv_wino_f32_weigh.c
    ops/droppath_cpu.c ops/flat_cpu.c ops/flatten_cpu.c ops/softmax_cpu.c
    ops/gate_cpu.c ops/globalpool_cpu.c ops/join_cpu.c
    ops/linear_onednn.c ops/pool_cpu.c ops/softmax_xent_cpu.c)
  target_compile_definitions(sluice_train PRIVATE SLUICE_HAVE_ONEDNN=1)
  target_link_libraries(sluice_train PRIVATE Sluice::dnnl)
  find_package(OpenMP REQUIRED COMPONENTS C)
  target_link_libraries(sluice_train PRIVATE OpenMP::OpenMP_C)

  set(kernel_flags -O2 -ffp-contract=fast -Wno-psabi)
  set(avx512_flags -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mprefer-vector-width=512)
  set_source_files_properties(ops/kernels_plain.c PROPERTIES COMPILE_OPTIONS "${kernel_flags}")
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_sources(sluice_train PRIVATE
      ops/kernels_avx2.c ops/kernels_avx512.c ops/kernels_avx512_bf16.c
      ops/amx_peak.c ops/amx_usable.c ops/conv_amx.c ops/conv_amx_gather.c
      ops/conv_amx_pack.c ops/conv_amx_weigh.c ops/conv_wino_bf16.c ops/conv_wino_bf16_gather.c
      ops/conv_wino_bf16_weigh.c ops/newton_schulz.c)
    set_source_files_properties(ops/conv_wino_bf16_gather.c ops/conv_wino_bf16_weigh.c PROPERTIES
      COMPILE_OPTIONS "-O3;${avx512_flags};-mavx512bf16;-Wno-psabi")
    set_source_files_properties(ops/amx_peak.c ops/conv_amx_gather.c ops/conv_amx_pack.c
      ops/conv_amx_weigh.c ops/newton_schulz.c PROPERTIES
      COMPILE_OPTIONS "-O2;${avx512_flags};-mavx512bf16;-mamx-tile;-mamx-bf16")
    set_source_files_properties(ops/conv_amx.c PROPERTIES COMPILE_OPTIONS -O2)
    set_source_files_properties(ops/kernels_avx2.c PROPERTIES
      COMPILE_OPTIONS "${kernel_flags};-mavx2;-mfma")
    set_source_files_properties(ops/kernels_avx512.c PROPERTIES
      COMPILE_OPTIONS "${kernel_flags};${avx512_flags}")
    set_source_files_properties(ops/kernels_avx512_bf16.c PROPERTIES
      COMPILE_OPTIONS "${kernel_flags};${avx512_flags};-mavx512bf16")
  else()
    target_sources(sluice_train PRIVATE ops/conv_amx_none.c)
  endif()
endif()
