# Recipes, runs and the programs. Recipes are YAML, so without libyaml there is no
# trainer; the other parts do not need it.
pkg_check_modules(YAML QUIET IMPORTED_TARGET yaml-0.1)
target_sources(sluice_train PRIVATE metrics.c metrics_heads.c plot.c table_read.c tfevents.c wandb.c
  wandb_kept.c wandb_log.c wandb_open.c wandb_put.c)
if(NOT YAML_FOUND)
  message(STATUS "sluice: libyaml: no, so no sluice-train, sluice-eval and sluice-augment")
  return()
endif()
target_sources(sluice_train PRIVATE
  config.c config_json.c config_keys.c config_model.c config_text.c config_views.c
  cuda/ahead.c cuda/stage.c cuda/team.c data_info.c ensemble.c evaluate.c evaluate_text.c evaluate_views.c
  evaluator.c feed.c gradient_stats.c machine_load.c npy.c outputs.c ranks.c recipe.c
  recipe_find.c run_config.c settings.c steering.c
  teacher.c teacher_run.c trainer.c trainer_ahead.c trainer_data.c trainer_distill.c
  trainer_finish.c trainer_gradients.c trainer_heads.c trainer_open.c trainer_place.c
  trainer_plan.c trainer_record.c trainer_steer.c yaml_read.c)
target_link_libraries(sluice_train PRIVATE PkgConfig::YAML)
if(SLUICE_HAVE_MPI)
  set_source_files_properties(ranks.c PROPERTIES COMPILE_DEFINITIONS SLUICE_HAVE_MPI=1)
  target_link_libraries(sluice_train PRIVATE MPI::MPI_C)
endif()
set_source_files_properties(recipe_find.c PROPERTIES COMPILE_DEFINITIONS
  "SLUICE_RECIPE_SOURCE=\"${CMAKE_CURRENT_SOURCE_DIR}/recipes\"")
set_source_files_properties(trainer_record.c wandb_open.c PROPERTIES COMPILE_DEFINITIONS
  "SLUICE_VERSION=\"${PROJECT_VERSION}\"")

sluice_program(sluice-train SOURCES train_main.c train_report.c
  LINKS sluice::train sluice_cli)
sluice_program(sluice-eval SOURCES eval_main.c LINKS sluice::train sluice_cli)
sluice_program(sluice-plot SOURCES plot_main.c LINKS sluice::train sluice_cli m)
sluice_program(sluice-augment SOURCES augment_main.c sheet.c
  LINKS sluice::train sluice_cli PNG::PNG m)
include(search/search.cmake)     # sluice-search
include(stacking/stacking.cmake) # sluice-stack
install(DIRECTORY recipes/ DESTINATION ${CMAKE_INSTALL_DATADIR}/sluice/recipes
  FILES_MATCHING PATTERN "*.yaml")
