// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

/// The common parts of tests of whole programs. All waits have a generous deadline; a test that
/// reaches it fails.
namespace host {

inline constexpr std::chrono::seconds deadline{30};

/// Returns whether a condition holds before the deadline.
template <typename Condition>
bool eventually(Condition&& condition, std::chrono::milliseconds within = deadline) {
    const auto end = std::chrono::steady_clock::now() + within;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
    return true;
}

/// A new folder for a test, removed at its end.
class temporary_folder {
  public:
    temporary_folder();
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    ~temporary_folder();
    [[nodiscard]] std::string operator/(const std::string& name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

/// The whole text of a file; empty if there is none.
std::string text_of(const std::string& path);

/// A program that is ended, by its process id, when the test ends or fails.
class process {
  public:
    /// @param prepare Runs in the child before the program does.
    process(const std::vector<std::string>& command, std::string output_file,
            const std::function<void()>& prepare = {});
    process(const process&) = delete;
    process& operator=(const process&) = delete;
    ~process();

    [[nodiscard]] pid_t pid() const { return pid_; }
    /// Its output so far, stdout and stderr.
    [[nodiscard]] std::string output() const { return text_of(output_file_); }
    /// Returns whether the output contains this text before the deadline.
    [[nodiscard]] bool says(const std::string& text) const;
    void signal(int number) const;
    /// Waits for the program and returns its exit code, 128 + the signal if a signal ended it;
    /// nothing if it does not end.
    std::optional<int> wait(std::chrono::milliseconds within = deadline);
    [[nodiscard]] bool runs();

  private:
    pid_t pid_ = -1;
    std::string output_file_;
    std::optional<int> ended_;
};

/// The path of the ivshmem-server under test.
std::string server_program();

/// An ivshmem-server in the foreground that has reported READY=1.
class running_server {
  public:
    /// @param options Besides -F and -S.
    explicit running_server(const std::vector<std::string>& options = {},
                            const std::function<void()>& prepare = {});

    [[nodiscard]] const std::string& socket() const { return socket_; }
    [[nodiscard]] process& program() { return *program_; }
    [[nodiscard]] std::size_t open_descriptors() const;
    const temporary_folder folder;

  private:
    std::string socket_;
    std::optional<process> program_;
};

/// A datagram socket like the service manager's, for sd_notify(3).
class notify_socket {
  public:
    explicit notify_socket(const std::string& path);
    notify_socket(const notify_socket&) = delete;
    notify_socket& operator=(const notify_socket&) = delete;
    ~notify_socket();
    /// The next message; empty if none comes before the deadline.
    [[nodiscard]] std::string next() const;

  private:
    int fd_;
};

} // namespace host
