// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/api.hpp"
#include "c/failures.hpp"

#include <ivshmem/version.hpp>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>

namespace ivshmem::capi {
namespace {

/// No std::string: its memory may be missing just when it is needed.
thread_local char last_message[1024];

/// Copies as much of a text as fits.
void copy_text(std::string_view text, char* to, std::size_t capacity) noexcept {
    const std::size_t size = std::min(text.size(), capacity - 1);
    std::memcpy(to, text.data(), size);
    to[size] = 0;
}

int fail(int result, const char* message) noexcept {
    copy_text(message, last_message, sizeof last_message);
    return result;
}

int result_of(const std::error_code& code) noexcept {
    if (code.category() == error_category())
        return code.value();
    if (code.category() == std::system_category() || code.category() == std::generic_category())
        return -code.value();
    return -EIO;
}

} // namespace

int caught() noexcept {
    try {
        throw;
    } catch (const std::bad_alloc&) {
        return fail(-ENOMEM, "no memory");
    } catch (const std::system_error& e) { // error among them
        return fail(result_of(e.code()), e.what());
    } catch (const std::exception& e) {
        return fail(-EIO, e.what());
    } catch (...) {
        return fail(-EIO, "an exception of an unknown type");
    }
}

void refuse(int number, const char* text) {
    throw error{{number, std::generic_category()}, text};
}

} // namespace ivshmem::capi

using namespace ivshmem;

extern "C" {

const char* ivshmem_last_error() {
    return capi::last_message;
}

int ivshmem_get_code_text(int code, char* text, size_t capacity) {
    return capi::guarded([&] {
        capi::require(text);
        capi::require(capacity != 0, "ivshmem_get_code_text: capacity is 0");
        // Without an overflow, which the lowest number has.
        const auto number = static_cast<int>(0U - static_cast<unsigned>(code));
        const std::string whole = code == 0  ? std::string{"success"}
                                  : code > 0 ? error_category().message(code)
                                             : std::system_category().message(number);
        capi::copy_text(whole, text, capacity);
    });
}

const char* ivshmem_version() {
    return IVSHMEM_VERSION_STRING; // version() is this text, too
}

uint32_t ivshmem_version_number() {
    return version_number();
}

} // extern "C"
