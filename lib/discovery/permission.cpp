// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/permission.hpp"

#include "base/text.hpp"

#include <fstream>
#include <sstream>

#include <sys/stat.h>

namespace ivshmem {

std::string permitted_group(const std::string& path, const std::string& prefix) {
    constexpr mode_t both = S_IRGRP | S_IWGRP;
    struct stat file {};
    if (::stat(path.c_str(), &file) != 0 || (file.st_mode & both) != both || file.st_gid == 0)
        return {};
    // group(5): name:password:id:members
    std::ifstream groups{prefix + "/etc/group"};
    const std::string id = std::to_string(file.st_gid);
    for (std::string line; std::getline(groups, line);) {
        std::istringstream fields{line};
        std::string name;
        std::string password;
        std::string number;
        if (std::getline(fields, name, ':') && std::getline(fields, password, ':') &&
            std::getline(fields, number, ':') && number == id)
            return name;
    }
    return {};
}

std::string permission_remedy(const std::string& path) {
    const std::string group = permitted_group(path);
    if (group.empty())
        return formatted(
            "run as root, or give your group the file: chgrp GROUP {} && chmod g+rw {}", path,
            path);
    return formatted("run as root, or join the group that may use it: adduser USER {}, and log in "
                     "again",
                     group);
}

} // namespace ivshmem
