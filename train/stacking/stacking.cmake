# Networks stacked on others that were trained by folds, and their program.
target_sources(sluice_train PRIVATE stacking/level_one.c stacking/meta.c)
sluice_program(sluice-stack SOURCES stacking/stack_main.c stacking/stack_report.c
  LINKS sluice::train sluice_cli m)
