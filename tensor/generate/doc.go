// Package generate continues prompts with a decoder of the Llama family, several
// rows at a time, with a cache of keys and values.
//
// Prompts are prefilled as packed token trees, so that a prefix which several
// of them share is computed once. Then every step takes each row one token
// further; a row that ends leaves the batch at once and the next prompt takes
// its place.
//
// Where the engine computes in the host's memory, steps are taken there too
// (llama.CPUDecoder), and each row has its own cache. Elsewhere a step is one compiled
// call a layer. What is compiled is one layer for each shape of the cache, and
// shapes are few: the batch is a power of two of rows, and cache lengths are
// multiples of 128, beyond 1024 of an eighth of a power of two.
//
// The package works on token ids and knows nothing of text.
package generate
