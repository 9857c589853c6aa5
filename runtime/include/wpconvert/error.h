// Error texts: formatted into a fixed buffer, or compiled out with WPCONVERT_NO_ERROR_STRINGS.
#ifndef WPCONVERT_ERROR_H_
#define WPCONVERT_ERROR_H_

#include <stddef.h>
#include <stdint.h>

#include "wpconvert/status.h"

namespace wpconvert {

// One argument of an error text.
struct ErrorArgument {
    const char *text;
    int32_t number;
    constexpr ErrorArgument(const char *value) : text(value), number(0) {}
    constexpr ErrorArgument(int value) : text(nullptr), number(static_cast<int32_t>(value)) {}
    constexpr ErrorArgument(unsigned value) : text(nullptr), number(static_cast<int32_t>(value)) {}
    constexpr ErrorArgument(long value) : text(nullptr), number(static_cast<int32_t>(value)) {}
    constexpr ErrorArgument(unsigned long value)
        : text(nullptr), number(static_cast<int32_t>(value)) {}
};

// The last error: which operator, and a text.
class ErrorReport {
   public:
    // Takes the text "operator 3 (ADD): " and `format` with each %d or %s replaced by an argument;
    // what does not fit is cut off. `index` −1 leaves the beginning out, an empty name what is in
    // brackets. Returns kTfLiteError.
    template <typename... Arguments>
    TfLiteStatus Fail(int index, const char *name, const char *format, Arguments... arguments) {
#ifdef WPCONVERT_NO_ERROR_STRINGS
        // The literals are not passed on, so that they are not linked.
        (void)name;
        (void)format;
        ((void)arguments, ...);
        return Set(index, nullptr, nullptr, nullptr, 0);
#else
        const ErrorArgument list[] = {ErrorArgument(arguments)..., ErrorArgument(0)};
        return Set(index, name, format, list, sizeof...(arguments));
#endif
    }
    TfLiteStatus Set(int index, const char *name, const char *format,
                     const ErrorArgument *arguments, uint32_t count);
    void Clear();

    const char *text() const;
    int operator_index() const {
        return index_;
    }

   private:
    int index_ = -1;
#ifndef WPCONVERT_NO_ERROR_STRINGS
    void Append(const char *text);
    void Append(int32_t number);
    void Append(char c);
    uint32_t length_ = 0;
    char text_[240] = {};
#endif
};

}  // namespace wpconvert

#endif  // WPCONVERT_ERROR_H_
