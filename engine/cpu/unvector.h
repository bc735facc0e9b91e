// Takes back vector.h's short names.

#undef VF
#undef VI
#undef AT
#undef INLINE
