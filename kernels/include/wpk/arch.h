/* Which code path the kernels are compiled for. Decided by the compiler's architecture macros;
 * define WPK_PORTABLE to force plain C. Test with #if, not #ifdef: each name is 0 or 1. */
#ifndef WPK_ARCH_H
#define WPK_ARCH_H

#if defined(WPK_PORTABLE)
#define WPK_MVE 0
#define WPK_DSP 0
#define WPK_THUMB2 0
#elif defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)
#define WPK_MVE 1 /* Cortex-M55, M85: Helium */
#define WPK_DSP 0
#define WPK_THUMB2 0
#elif defined(__ARM_FEATURE_DSP) && defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#define WPK_MVE 0
#define WPK_DSP 1 /* Cortex-M4, M7, M33: two 16-bit multiply-accumulates an instruction */
#define WPK_THUMB2 0
#elif defined(__thumb2__) && defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#define WPK_MVE 0
#define WPK_DSP 0
#define WPK_THUMB2 1 /* Cortex-M3: 32-bit multiply-accumulate only */
#else
#define WPK_MVE 0
#define WPK_DSP 0
#define WPK_THUMB2 0
#endif

/* Around declarations: for C++. */
#ifdef __cplusplus
#define WPK_BEGIN_C extern "C" {
#define WPK_END_C }
#else
#define WPK_BEGIN_C
#define WPK_END_C
#endif

/* Functions for which the compiler's own choice is slower, or takes more flash. */
#define WPK_INLINE static inline __attribute__((always_inline))
#define WPK_NOINLINE static __attribute__((noinline))

/* Whether float arithmetic is cheap. The other path can be compiled for a host as well, to be
 * tested there. */
#if !defined(WPK_FPU)
#if defined(WPK_SOFT_FLOAT) || (defined(__arm__) && !defined(__ARM_FP))
#define WPK_FPU 0
#else
#define WPK_FPU 1
#endif
#endif

/* Whether fully connected is clearly faster with the input zero point folded into the bias
 * (wpk_requant.input_offset = 0). With 0 it subtracts it from activations while it widens them, and
 * a plain bias saves the memory of a folded copy. Convolution takes either at nearly the same
 * speed. */
#define WPK_WANTS_FOLDED_BIAS WPK_MVE

#endif
