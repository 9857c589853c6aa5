#define WPK_MVE 0
#define WPK_DSP 1
#define WPK_THUMB2 0
#define WPK_FPU 1
#define WPN_CORE "Cortex-M4"
#define WPN_NAME(name) wpn_##name##_m4
#include "planning.inc"
