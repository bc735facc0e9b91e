// Package train is the training loop: steps over micro-batches, the optimiser,
// the learning-rate schedule, checkpoints and resuming. It trains whatever
// gives losses on a tape; it knows nothing of text, recipes, generation or
// evaluation, which reach it only as hooks.
package train
