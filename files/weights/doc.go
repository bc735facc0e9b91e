// Package weights reads and writes models on the host: Hugging Face folders,
// safetensors files and GGUF files. Tensors are read one at a time, when they
// are asked for, and come as float32 under their Hugging Face names; they are
// written one at a time, so memory holds no second copy of a model.
//
// It knows no graphs and no devices: an architecture decides what the names
// mean, and where a path came from (a cache, a hub) is the caller's business.
package weights
