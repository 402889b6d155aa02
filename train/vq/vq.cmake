# The network that writes the weights of others (vq-ensemble), and its program.
target_sources(sluice_train PRIVATE
  vq/products.c vq/products_plain.c vq/refine.c vq/refine_backward.c vq/refine_decode.c
  vq/refine_fold.c vq/refine_unfold.c vq/refine_weigh.c)
set(products_flags -O3 -ffp-contract=fast -fno-math-errno)
set_source_files_properties(vq/products_plain.c PROPERTIES COMPILE_OPTIONS "${products_flags}")
set_source_files_properties(vq/refine_backward.c vq/refine_decode.c vq/refine_fold.c
  vq/refine_unfold.c vq/refine_weigh.c PROPERTIES COMPILE_OPTIONS -O3)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_sources(sluice_train PRIVATE vq/products_avx2.c vq/products_avx512.c
    vq/products_avx512_bf16.c)
  set_source_files_properties(vq/products_avx2.c PROPERTIES
    COMPILE_OPTIONS "${products_flags};-mavx2;-mfma")
  list(APPEND products_flags
    -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mprefer-vector-width=512)
  set_source_files_properties(vq/products_avx512.c PROPERTIES
    COMPILE_OPTIONS "${products_flags}")
  set_source_files_properties(vq/products_avx512_bf16.c PROPERTIES
    COMPILE_OPTIONS "${products_flags};-mavx512bf16")
endif()

if(TARGET sluice-train)
  target_sources(sluice_train PRIVATE
    vq/vq_config.c vq/vq_data.c vq/vq_file.c vq/vq_inner.c vq/vq_measure.c vq/vq_session.c
    vq/vq_train.c vq/vq_use.c)
  sluice_program(sluice-vq SOURCES vq/vq_main.c LINKS sluice::train sluice_cli)
endif()
