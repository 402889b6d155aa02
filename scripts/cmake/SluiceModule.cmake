# sluice_module(NAME SOURCES ... [CUDA_SOURCES ...] [DEPENDS ...] [PRIVATE ...])
#
# One static library libsluice-NAME.a, alias sluice::NAME. Only NAME/include is on
# its users' include path, so a folder's other headers stay its own. DEPENDS are
# modules whose headers the public headers use; PRIVATE is what only the sources need.
function(sluice_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;CUDA_SOURCES;DEPENDS;PRIVATE" ${ARGN})
  set(target sluice_${name})
  add_library(${target} STATIC ${arg_SOURCES})
  add_library(sluice::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME sluice-${name} EXPORT_NAME ${name})
  if(SLUICE_HAVE_CUDA AND arg_CUDA_SOURCES)
    target_sources(${target} PRIVATE ${arg_CUDA_SOURCES})
    set_target_properties(${target} PROPERTIES CUDA_STANDARD 17 LINKER_LANGUAGE C)
    target_compile_options(${target} PRIVATE
      $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings -Xcompiler=-fPIC>)
    target_compile_definitions(${target} PRIVATE SLUICE_HAVE_CUDA=1)
    target_link_libraries(${target} PUBLIC CUDA::cudart_static)
  endif()
  target_include_directories(${target}
    PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>
    PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  foreach(module IN LISTS arg_DEPENDS)
    target_link_libraries(${target} PUBLIC sluice::${module})
  endforeach()
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:sluice_flags> ${arg_PRIVATE})
  install(TARGETS ${target} EXPORT sluiceTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/include)
    install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
  endif()
endfunction()

# sluice_program(NAME SOURCES ... LINKS ...): an installed executable. The target
# `programs` builds all of them.
add_custom_target(programs)
function(sluice_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_LINKS} sluice_flags)
  add_dependencies(programs ${name})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
