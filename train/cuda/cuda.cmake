# Device cuda. Its operators are plain C that is always built and tested, on the CPU;
# what touches CUDA is built where CUDA, cuDNN and cuBLASLt are.
target_sources(sluice_train PRIVATE
  cuda/device_cuda.c cuda/layer_own.c cuda/nccl_sums.c cuda/views.c
  ops/batchnorm_cuda.c ops/channel_cuda.c ops/concat_cuda.c ops/flat_cuda.c ops/layer_cuda.c ops/pool_cuda.c
  ops/softmax_xent_cuda.c)

target_link_libraries(sluice_train PRIVATE ${CMAKE_DL_LIBS})

set(missing "")
if(NOT SLUICE_HAVE_CUDA)
  set(missing "CUDA")
else()
  # Beside nvcc, in the system, in CMAKE_PREFIX_PATH, or among Python's packages, whose
  # libraries have no name without a version.
  execute_process(COMMAND python3 -c "import nvidia; print(list(nvidia.__path__)[0])"
    OUTPUT_VARIABLE python ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(cuda_major ${CUDAToolkit_VERSION_MAJOR})
  set(packages ${python}/cudnn ${python}/cu${cuda_major} ${python}/cublas)
  find_path(CUDNN_INCLUDE_DIR cudnn_version.h HINTS ${CUDAToolkit_INCLUDE_DIRS}
    PATHS ${packages} PATH_SUFFIXES include)
  find_library(CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 NAMES_PER_DIR
    HINTS ${CUDAToolkit_LIBRARY_DIR} PATHS ${packages} PATH_SUFFIXES lib)
  find_path(CUBLASLT_INCLUDE_DIR cublasLt.h HINTS ${CUDAToolkit_INCLUDE_DIRS}
    PATHS ${packages} PATH_SUFFIXES include)
  find_library(CUBLASLT_LIBRARY NAMES cublasLt libcublasLt.so.${cuda_major} NAMES_PER_DIR
    HINTS ${CUDAToolkit_LIBRARY_DIR} PATHS ${packages} PATH_SUFFIXES lib)
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
  if(CUDAToolkit_VERSION VERSION_LESS 12)
    set(missing "CUDA 12")
  elseif(NOT CUDNN_LIBRARY OR cudnn_major LESS 9)
    set(missing "cuDNN 9")
  elseif(NOT CUBLASLT_LIBRARY OR NOT CUBLASLT_INCLUDE_DIR)
    set(missing "cuBLASLt")
  endif()
endif()
if(missing)
  if(NOT SLUICE_CUDA STREQUAL "OFF")
    message(STATUS "sluice: device cuda: no, as ${missing} was not found")
  endif()
  set_property(SOURCE cuda/device_cuda.c APPEND PROPERTY COMPILE_DEFINITIONS
    "SLUICE_CUDA_MISSING=\"this build has no ${missing}\"")
else()
  message(STATUS "sluice: device cuda: yes, with cuDNN ${cudnn_major} and cuBLASLt")
  target_sources(sluice_train PRIVATE
    cuda/runtime_cuda.c cuda/lanes_cuda.c cuda/layer_cudnn.c cuda/layer_cublaslt.c cuda/launch.cu)
  set_target_properties(sluice_train PROPERTIES CUDA_STANDARD 17)
  target_compile_options(sluice_train PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings -Xcompiler=-fPIC>)
  target_compile_definitions(sluice_train PRIVATE SLUICE_HAVE_CUDNN=1)
  target_include_directories(sluice_train SYSTEM PRIVATE ${CUDNN_INCLUDE_DIR}
    ${CUBLASLT_INCLUDE_DIR} ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(sluice_train PRIVATE CUDA::cudart_static ${CUBLASLT_LIBRARY}
    ${CUDNN_LIBRARY})
  # For several processes; loaded by those, from where the system or the build finds it.
  find_library(NCCL_LIBRARY NAMES nccl libnccl.so.2 NAMES_PER_DIR
    HINTS ${CUDAToolkit_LIBRARY_DIR} PATHS ${python}/nccl PATH_SUFFIXES lib)
  if(NCCL_LIBRARY)
    message(STATUS "sluice: NCCL: yes, for several processes on device cuda")
    set_property(SOURCE cuda/nccl_sums.c APPEND PROPERTY COMPILE_DEFINITIONS
      "SLUICE_NCCL_LIBRARY=\"${NCCL_LIBRARY}\"")
  else()
    message(STATUS "sluice: NCCL: not here; several processes on device cuda look for it when they run")
  endif()
  # CMake takes nvcc's folders for the system's, where the loader would look by itself.
  foreach(library IN ITEMS ${CUBLASLT_LIBRARY} ${CUDNN_LIBRARY})
    cmake_path(GET library PARENT_PATH folder)
    target_link_options(sluice_train INTERFACE "$<BUILD_INTERFACE:LINKER:-rpath,${folder}>")
  endforeach()
endif()
