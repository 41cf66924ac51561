// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "table.hpp"

#include "common/print.hpp"
#include "common/smartcols.hpp"
#include "pci_access.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace lsivshmem {
namespace {

constexpr const char* table_columns = "address,type,size,vectors,driver,group,node,use";
constexpr const char* tree_columns = "address,part,size,start,driver,use";

std::vector<const column*> wanted_columns(const options& o) {
    if (!o.columns.empty())
        return parse_columns(o.columns);
    if (o.tree)
        return parse_columns(tree_columns);
    return parse_columns(table_columns);
}

int flags_of(const column& c, bool tree) {
    const int branch = tree ? SCOLS_FL_TREE : 0;
    return branch | (c.type == value_type::integer ? SCOLS_FL_RIGHT : 0) |
           (c.type == value_type::list ? SCOLS_FL_WRAP : 0);
}

const char* color_of(const column& c, const row& r) {
    if (c.name == std::string_view{"PROBLEM"})
        return "red";
    if (c.name != std::string_view{"USE"})
        return nullptr;
    if (!r.device.verdict.can_map)
        return "red";
    return r.device.verdict.problem.empty() ? "green" : "yellow";
}

class builder {
  public:
    builder(const options& o, std::span<const listed_device> devices)
        : columns_{wanted_columns(o)}, style_{o.bytes, nullptr} {
        if (!devices.empty() && std::any_of(columns_.begin(), columns_.end(), [](const auto* c) {
                return c->name == std::string_view{"NAME"};
            }))
            style_.names = &names_.emplace(o.sysroot);
        for (const auto* c : columns_)
            table_.add_column(c->name, flags_of(*c, o.tree && c == columns_.front()));
        for (const auto& device : devices)
            o.tree ? add_tree(device) : void(add({device, {}}, nullptr));
    }

    [[nodiscard]] tools::smart_table& table() noexcept { return table_; }

  private:
    libscols_line* add(const row& r, libscols_line* parent) {
        auto* line = table_.add_line(parent);
        for (std::size_t i = 0; i < columns_.size(); ++i)
            table_.set(line, i, columns_[i]->value(r, style_), color_of(*columns_[i], r));
        return line;
    }
    void add_tree(const listed_device& device) {
        auto* parent = add({device, {}}, nullptr);
        for (std::size_t i = 0; i < device.info.bars.size(); ++i) {
            if (!device.info.bars.at(i).present())
                continue;
            auto* bar = add({device, i}, parent);
            // QEMU, ACRN and Jailhouse keep the MSI-X table in BAR1.
            if (i == 1 && device.info.vectors)
                add({device, {}, true}, bar);
        }
    }

    std::vector<const column*> columns_;
    std::optional<pci_library> names_;
    style style_;
    tools::smart_table table_;
};

} // namespace

void print_table(const options& o, std::span<const listed_device> devices) {
    builder b{o, devices};
    auto* table = b.table().get();
    if (devices.empty())
        return;
    scols_table_enable_noheadings(table, o.no_headings ? 1 : 0);
    scols_table_enable_colors(table, o.colors ? 1 : 0);
    scols_print_table(table);
}

void print_columns() {
    for (const auto& c : all_columns())
        tools::print("{:>10}  {}\n", c.name, c.help);
}

} // namespace lsivshmem
