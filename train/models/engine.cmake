# Networks, optimizers, schedules, checkpoints, models.
target_sources(sluice_train PRIVATE
  arena.c checkpoint.c checkpoint_file.c device_memory.c device_threads.c freeze.c init.c
  init_orthogonal.c json_cursor.c lookahead.c muon.c muon_cuda.c net.c net_branches.c net_build.c
  net_fuse.c net_layout.c net_times.c optim.c optim_cuda.c optim_table.c pretrained.c profile.c
  profile_peaks.c run_dir.c safetensors.c schedule.c temporary.c text_write.c whole_file.c
  workers.c
  models/airbench94.c models/block_cnn.c models/cnn.c models/cnn_small.c models/conv_layers.c
  models/dense.c models/lists.c models/mlp.c models/mnist_cnn.c models/registry.c
  models/residual_mlp.c models/resnet.c models/resnet9.c models/resnets.c models/stack.c
  models/whitening.c)
