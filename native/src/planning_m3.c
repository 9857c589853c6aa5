#define WPK_MVE 0
#define WPK_DSP 0
#define WPK_THUMB2 1
#define WPK_FPU 0
#define WPN_CORE "Cortex-M3"
#define WPN_NAME(name) wpn_##name##_m3
#include "planning.inc"
