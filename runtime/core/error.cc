#include "wpconvert/error.h"

namespace wpconvert {

#ifdef WPCONVERT_NO_ERROR_STRINGS

TfLiteStatus ErrorReport::Set(int index, const char *, const char *, const ErrorArgument *,
                              uint32_t) {
    index_ = index;
    return kTfLiteError;
}

void ErrorReport::Clear() {
    index_ = -1;
}

const char *ErrorReport::text() const {
    return "";
}

#else

void ErrorReport::Append(char c) {
    if (length_ + 1 < sizeof(text_)) {
        // Names come from the model: no control characters on the reader's terminal.
        const bool control = static_cast<unsigned char>(c) < ' ' || c == 0x7f;
        text_[length_++] = control ? '?' : c;
        text_[length_] = 0;
    }
}

void ErrorReport::Append(const char *text) {
    // A text that does not fit is not walked to its end: it may be as long as the model.
    for (; *text != 0 && length_ + 1 < sizeof(text_); text++) {
        Append(*text);
    }
}

void ErrorReport::Append(int32_t number) {
    if (number < 0) {
        Append('-');
    }
    char digits[10];
    uint32_t count = 0;
    uint32_t rest = number < 0 ? 0u - static_cast<uint32_t>(number) : static_cast<uint32_t>(number);
    do {
        digits[count++] = static_cast<char>('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    while (count > 0) {
        Append(digits[--count]);
    }
}

TfLiteStatus ErrorReport::Set(int index, const char *name, const char *format,
                              const ErrorArgument *arguments, uint32_t count) {
    Clear();
    index_ = index;
    if (index >= 0) {
        Append("operator ");
        Append(static_cast<int32_t>(index));
        if (*name != 0) {
            Append(" (");
            Append(name);
            Append(')');
        }
        Append(": ");
    }
    for (const char *c = format; *c != 0; c++) {
        if (*c != '%' || c[1] == 0 || count == 0) {
            Append(*c);
            continue;
        }
        c++;
        count--;
        if (arguments->text != nullptr) {
            Append(arguments->text);
        } else {
            Append(arguments->number);
        }
        arguments++;
    }
    return kTfLiteError;
}

void ErrorReport::Clear() {
    index_ = -1;
    length_ = 0;
    text_[0] = 0;
}

const char *ErrorReport::text() const {
    return text_;
}

#endif

}  // namespace wpconvert
