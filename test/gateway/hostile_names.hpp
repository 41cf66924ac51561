// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>
#include <vector>

/// A name that no side accepts, also as the end of a longer one.
struct hostile_name {
    const char* why;
    std::string name;
};

inline std::vector<hostile_name> hostile_names() {
    using namespace std::string_literals;
    return {
        {"empty", ""},
        {"the broker's own", "$SYS/broker"},
        {"a shared subscription", "$share/group/a"},
        {"$ in a level", "a/$b"},
        {"$ inside", "a$"},
        {"any level", "+"},
        {"any level inside", "a/+/b"},
        {"+ beside text", "a+"},
        {"all", "#"},
        {"all below", "a/#"},
        {"# beside text", "a#b"},
        {"the wildcard of a rule", "a/*"},
        {"an empty level first", "/a"},
        {"an empty level last", "a/"},
        {"an empty level between", "a//b"},
        {"only levels", "//"},
        {"the folder itself", "."},
        {"up", ".."},
        {"up and away", "../../etc/passwd"},
        {"up inside", "a/../b"},
        {"here inside", "a/./b"},
        {"NUL first", "\0a"s},
        {"NUL inside", "a\0b"s},
        {"NUL last", "a\0"s},
        {"a line", "a\nb"},
        {"a terminal's escape", "a\x1b[2J"},
        {"delete", "a\x7f"},
        {"a control character of Unicode", "a\xc2\x85"},
        {"the end of an application's command", "a\xc2\x9c"},
        {"a byte that is no UTF-8", "a\xff"},
        {"a byte of Latin-1", "a\xe4"},
        {"a continuation alone", "\x80"},
        {"the first byte alone", "a\xc3"},
        {"two of three bytes", "a\xe2\x82"},
        {"three of four bytes", "a\xf0\x9f\x98"},
        {"the first byte, then text", "a\xe2/b"},
        {"/ in two bytes", "a\xc0\xaf"
                           "b"},
        {"/ in three bytes", "a\xe0\x80\xaf"
                             "b"},
        {"# in four bytes", "a\xf0\x80\x80\xa3"},
        {"NUL in two bytes", "a\xc0\x80"},
        {"a surrogate", "a\xed\xa0\x80"},
        {"a pair of surrogates", "a\xed\xa0\xbd\xed\xb8\x80"},
        {"beyond Unicode", "a\xf4\x90\x80\x80"},
        {"five bytes", "a\xf8\x88\x80\x80\x80"},
        {"a noncharacter", "a\xef\xbf\xbf"},
        {"a noncharacter of a higher plane", "a\xf0\x9f\xbf\xbe"},
        {"a noncharacter for processes", "a\xef\xb7\x90"},
    };
}
