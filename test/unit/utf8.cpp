// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

#include "base/utf8.hpp"

#include "helpers/catch.hpp"

using ivshmem::is_plain_utf8;

TEST_CASE("text of UTF-8 without control characters is plain") {
    for (const char* text :
         {"", "a b~", "\xc2\xa0", "gr\xc3\xbc\xc3\x9f", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
          "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
        CHECK(is_plain_utf8(text));
}

TEST_CASE("control characters, and bytes that are no UTF-8, are not") {
    for (const char* text : {"a\nb",
                             "\x1b[31m",
                             "\x7f",
                             "\xc2\x80",
                             "\xc2\x9f", // controls
                             "\x80",
                             "a\xbf",
                             "\xc3",
                             "\xe2\x82",
                             "\xf0\x9f\x98",
                             "\xc3(",
                             "\xe2(\xa1", // incomplete
                             "\xc0\xaf",
                             "\xc1\xbf",
                             "\xe0\x9f\xbf",
                             "\xf0\x8f\xbf\xbf", // longer than needed
                             "\xed\xa0\x80",
                             "\xed\xbf\xbf",
                             "\xf4\x90\x80\x80",
                             "\xf5\x80\x80\x80",
                             "\xff"})
        CHECK_FALSE(is_plain_utf8(text));
    CHECK_FALSE(is_plain_utf8({"a\0b", 3}));
}

TEST_CASE("the first character of a text") {
    const auto check = [](std::string_view text, std::uint32_t code, std::size_t bytes) {
        CAPTURE(text);
        const auto first = ivshmem::first_character(text);
        CHECK(first.code == code);
        CHECK(first.bytes == bytes);
    };
    check("ab", 'a', 1);
    check("\xc3\xa4"
          "b",
          0xe4, 2);
    check("\xe2\x82\xac", 0x20ac, 3);
    check("\xf0\x9f\x98\x80", 0x1f600, 4);
    check(std::string_view{"\0", 1}, 0, 1);
    check("\xe2\x82", 0, 0);
    check("\xff", 0, 0);
}
