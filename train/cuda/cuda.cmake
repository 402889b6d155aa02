# Device cuda. Its operators are plain C that is always built and tested, on the CPU;
# what touches CUDA is built where CUDA, cuDNN and cuBLASLt are.
target_sources(sluice_train PRIVATE
  cuda/device_cuda.c cuda/layer_own.c cuda/views.c
  ops/batchnorm_cuda.c ops/channel_cuda.c ops/flat_cuda.c ops/layer_cuda.c ops/pool_cuda.c
  ops/softmax_xent_cuda.c)

set(missing "")
if(NOT SLUICE_HAVE_CUDA)
  set(missing "CUDA")
else()
  find_path(CUDNN_INCLUDE_DIR cudnn_version.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_library(CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR})
  set(cudnn_major 0)
  if(CUDNN_INCLUDE_DIR)
    file(GLOB cudnn_headers ${CUDNN_INCLUDE_DIR}/cudnn_version*.h)
    foreach(header IN LISTS cudnn_headers)
      file(STRINGS ${header} line REGEX "define CUDNN_MAJOR [0-9]+")
      if(line MATCHES "CUDNN_MAJOR ([0-9]+)")
        set(cudnn_major ${CMAKE_MATCH_1})
      endif()
    endforeach()
  endif()
  if(NOT CUDNN_LIBRARY OR cudnn_major LESS 9)
    set(missing "cuDNN 9")
  elseif(NOT TARGET CUDA::cublasLt)
    set(missing "cuBLASLt")
  endif()
endif()
if(missing)
  message(STATUS "sluice: device cuda: no, as ${missing} was not found")
  set_property(SOURCE cuda/device_cuda.c APPEND PROPERTY COMPILE_DEFINITIONS
    "SLUICE_CUDA_MISSING=\"this build has no ${missing}\"")
else()
  message(STATUS "sluice: device cuda: yes, with cuDNN ${cudnn_major} and cuBLASLt")
  target_sources(sluice_train PRIVATE
    cuda/runtime_cuda.c cuda/layer_cudnn.c cuda/layer_cublaslt.c cuda/launch.cu)
  set_target_properties(sluice_train PROPERTIES CUDA_STANDARD 17)
  target_compile_options(sluice_train PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings -Xcompiler=-fPIC>)
  target_compile_definitions(sluice_train PRIVATE SLUICE_HAVE_CUDNN=1)
  target_include_directories(sluice_train SYSTEM PRIVATE ${CUDNN_INCLUDE_DIR}
    ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(sluice_train PRIVATE CUDA::cudart_static CUDA::cublasLt
    ${CUDNN_LIBRARY})
endif()
