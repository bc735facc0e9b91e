// What package nccl calls of NCCL, which is loaded at run time.

#pragma once

enum { NCCL_ID = 128 }; // bytes of a unique id
enum { NCCL_TEXT = 512 };

// Each gives 0, or another number and why in text, NCCL_TEXT bytes.
int nccl_load(const char *path, int *version, char *text);
int nccl_new_id(char *id, char *text);
int nccl_join(const char *id, int size, int rank, char *text); // waits for all
int nccl_state(char *text);
void nccl_end(void);                                            // what waits for others ends, too

// What foreign calls do.
enum { NCCL_ALL_REDUCE, NCCL_REDUCE_SCATTER, NCCL_ALL_GATHER, NCCL_BROADCAST, NCCL_CALLS };
void *nccl_handler(int call);
