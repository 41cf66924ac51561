// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/text.hpp"

#include <ivshmem/error.hpp>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace ivshmem {

/// Returns the code of a failed system call: errc::descriptor_limit for EMFILE and ENFILE, else the
/// system's.
inline std::error_code errno_code(int number) noexcept {
    if (number == EMFILE || number == ENFILE)
        return errc::descriptor_limit;
    return {number, std::system_category()};
}

/// The failure of a step inside the library: a code, and one line that names the object, the step
/// and a remedy. A public function converts it to an exception, or to the error_code of its twin.
class failure {
  public:
    failure() = default;

    explicit operator bool() const noexcept { return static_cast<bool>(code_); }
    [[nodiscard]] const std::error_code& code() const noexcept { return code_; }
    [[nodiscard]] const std::string& message() const noexcept { return message_; }

    void set(std::error_code code, std::string message) {
        code_ = code;
        message_ = std::move(message);
    }
    template <typename... Args>
    void set(errc code, fmt::format_string<Args...> format, Args&&... args) {
        set(make_error_code(code), formatted(format, std::forward<Args>(args)...));
    }
    /// Reports a system call that failed, by errno_code(); the text of errno ends the message.
    template <typename... Args>
    void set_errno(int number, fmt::format_string<Args...> format, Args&&... args) {
        const std::error_code code = errno_code(number);
        set(code, formatted(format, std::forward<Args>(args)...) + ": " + code.message());
    }
    void clear() {
        code_.clear();
        message_.clear();
    }

    /// Throws ivshmem::error if something failed.
    void raise() const {
        if (code_)
            throw error{code_, message_};
    }

  private:
    std::error_code code_;
    std::string message_;
};

} // namespace ivshmem
