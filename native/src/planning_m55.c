#define WPK_MVE 1
#define WPK_DSP 0
#define WPK_THUMB2 0
#define WPK_FPU 1
#define WPN_CORE "Cortex-M55"
#define WPN_NAME(name) wpn_##name##_m55
#include "planning.inc"
