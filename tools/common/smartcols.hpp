// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <libsmartcols/libsmartcols.h>

#include <memory>
#include <new>
#include <string>

namespace tools {

/// A libsmartcols table that frees itself. Its failures, all from lack of memory, are
/// std::bad_alloc.
class smart_table {
  public:
    smart_table() : table_{scols_new_table()} { require(table_ != nullptr); }

    [[nodiscard]] libscols_table* get() const noexcept { return table_.get(); }

    libscols_column* add_column(const char* name, int flags) {
        auto* column = scols_table_new_column(get(), name, 0, flags);
        require(column != nullptr);
        if ((flags & SCOLS_FL_WRAP) != 0)
            require(scols_column_set_wrapfunc(column, scols_wrapnl_chunksize,
                                              scols_wrapnl_nextchunk, nullptr) == 0 &&
                    scols_column_set_safechars(column, "\n") == 0);
        return column;
    }
    libscols_line* add_line(libscols_line* parent) {
        auto* line = scols_table_new_line(get(), parent);
        require(line != nullptr);
        return line;
    }
    void set(libscols_line* line, std::size_t column, const std::string& text,
             const char* color = nullptr) {
        if (text.empty())
            return;
        require(scols_line_set_data(line, column, text.c_str()) == 0);
        if (color != nullptr)
            require(scols_cell_set_color(scols_line_get_cell(line, column), color) == 0);
    }

  private:
    struct unref {
        void operator()(libscols_table* table) const noexcept { scols_unref_table(table); }
    };
    static void require(bool worked) {
        if (!worked)
            throw std::bad_alloc{};
    }

    std::unique_ptr<libscols_table, unref> table_;
};

} // namespace tools
