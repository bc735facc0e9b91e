// Sets of instructions: what the processor has, and which of it the kernels take.

#pragma once

// Each set has all that those before it have. ISA_AMX has products of bf16 by tiles
// (tiles.h), and is ISA_AVX512BF16 in all else.
enum { ISA_PLAIN, ISA_AVX2, ISA_AVX512, ISA_AVX512BF16, ISA_AMX, ISA_COUNT };

// isa_name is a set's name, as GORQA_MAX_ISA has it.
const char *isa_name(int isa);

// isa_best is the largest set that the processor has.
int isa_best(void);

// isa_used is the set that the kernels take: isa_best, or less if GORQA_MAX_ISA says so.
int isa_used(void);

// isa_limit has the kernels take no more than a set from now on.
void isa_limit(int isa);

// isa_known says whether GORQA_MAX_ISA is unset, empty or the name of a set.
int isa_known(void);
