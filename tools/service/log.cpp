// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "service/log.hpp"

#include "base/text.hpp"
#include "base/unique_fd.hpp"

#include <string>

#include <syslog.h>
#include <unistd.h>

namespace service::log {

namespace {

const char* program = "ivshmem";
bool verbose = false;
bool to_syslog = false;

} // namespace

void name_program(const char* name) {
    program = name;
}

void be_verbose() {
    verbose = true;
}

void use_syslog() {
    ::openlog(program, LOG_PID, LOG_DAEMON);
    to_syslog = true;
}

bool enabled(level how) {
    return how != level::detail || verbose;
}

void write(level how, std::string_view line) {
    if (to_syslog) {
        const int priority = how == level::error  ? LOG_ERR
                             : how == level::info ? LOG_INFO
                                                  : LOG_DEBUG;
        ::syslog(priority, "%.*s", static_cast<int>(line.size()), line.data());
        return;
    }
    // One write() per line, so that lines of several programs on one terminal do not mix.
    const std::string text = ivshmem::formatted("{}: {}\n", program, line);
    // A failure to write to stderr cannot be reported anywhere.
    [[maybe_unused]] const auto written =
        ivshmem::retry_eintr([&] { return ::write(STDERR_FILENO, text.data(), text.size()); });
}

} // namespace service::log
