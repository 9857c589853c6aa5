#include "wpconvert/micro_mutable_op_resolver.h"

namespace wpconvert {
namespace {

// The C library's strcmp is unrolled for long strings and takes more flash than all of this file.
bool Equal(const char *a, const char *b) {
    for (; *a != 0 && *a == *b; a++, b++) {
    }
    return *a == *b;
}

}  // namespace

int MicroOpResolver::Find(int32_t builtin, const char *custom_code) const {
    for (uint32_t i = 0; i < size_; i++) {
        const Entry &entry = entries_[i];
        const bool same =
            custom_code == nullptr
                ? entry.custom_code == nullptr && entry.builtin == builtin
                : entry.custom_code != nullptr && Equal(entry.custom_code, custom_code);
        if (same) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

TfLiteStatus MicroOpResolver::Add(int32_t builtin, const char *custom_code,
                                  const Registration *registration) {
    if (size_ == capacity_ || registration == nullptr || Find(builtin, custom_code) >= 0) {
        return kTfLiteError;
    }
    entries_[size_++] = {registration, custom_code, builtin};
    return kTfLiteOk;
}

}  // namespace wpconvert
