#include "../base/rescale.h"
#include "pooling.h"

#if WPK_MVE
#include <arm_mve.h>

static void pixel(const wpk_pooling_window *window, int8_t *y) {
    const int8x16_t low = vdupq_n_s8((int8_t)window->low), high = vdupq_n_s8((int8_t)window->high);
    for (int32_t c = 0; c < window->channels; c += 16) {
        const mve_pred16_t lanes = vctp8q((uint32_t)(window->channels - c));
        int8x16_t max = low;
        for (int32_t row = 0; row < window->h; ++row) {
            const int8_t *x = window->x + row * window->pitch + c;
            for (int32_t column = 0; column < window->w; ++column, x += window->channels) {
                max = vmaxq_m_s8(max, max, vldrbq_z_s8(x, lanes), lanes);
            }
        }
        vstrbq_p_s8(y + c, vminq_s8(max, high), lanes);
    }
}
#else

#if WPK_DSP
/* The larger of each of four int8. */
static inline uint32_t max_four(uint32_t a, uint32_t b) {
    uint32_t max;
    /* SSUB8 sets GE where a ≥ b, which SEL reads. */
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(max) : "r"(a), "r"(b));
    return max;
}

static void four_channels(const wpk_pooling_window *window, int32_t c, int8_t *y) {
    uint32_t max = 0x80808080u;
    for (int32_t row = 0; row < window->h; ++row) {
        const int8_t *x = window->x + row * window->pitch + c;
        for (int32_t column = 0; column < window->w; ++column, x += window->channels) {
            max = max_four(max, wpk_load_u32(x));
        }
    }
    for (int32_t i = 0; i < 4; ++i) {
        y[c + i] = (int8_t)wpk_clamp((int8_t)(max >> 8 * i), window->low, window->high);
    }
}

#endif

static void one_channel(const wpk_pooling_window *window, int32_t c, int8_t *y) {
    int32_t max = INT8_MIN;
    for (int32_t row = 0; row < window->h; ++row) {
        const int8_t *x = window->x + row * window->pitch + c;
        for (int32_t column = 0; column < window->w; ++column, x += window->channels) {
            max = *x > max ? *x : max;
        }
    }
    y[c] = (int8_t)wpk_clamp(max, window->low, window->high);
}

static void pixel(const wpk_pooling_window *window, int8_t *y) {
    int32_t c = 0;
#if WPK_DSP
    for (; c + 4 <= window->channels; c += 4) {
        four_channels(window, c, y);
    }
#endif
    for (; c < window->channels; ++c) {
        one_channel(window, c, y);
    }
}
#endif

void wpk_max_pool_s8(const wpk_pooling *params, const int8_t *x, int8_t *y) {
    wpk_pooling_each(params, pixel, x, y);
}
