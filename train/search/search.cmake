# Searches over training runs. What needs no trainer is in the library, for the tests.
target_sources(sluice_train PRIVATE
  search/tpe.c search/pruner.c search/space.c search/study.c search/study_file.c
  search/study_report.c search/trial_run.c)
sluice_program(sluice-search SOURCES search/search_main.c search/search_setup.c train_report.c
  LINKS sluice::train sluice_cli m)
