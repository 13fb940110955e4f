// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/kept_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "text/terminal_text.h"

namespace lazyllm {
namespace {

using text::next_terminal_character;
using text::TerminalCharacter;

/// How one depth is shown.
struct Shade {
  int depth = 0;
  int64_t tokens = 0;
  std::string_view color;  // parameters of an SGR sequence
  char mark = ' ';
};

// Foreground and background are set together, so that a shade reads on dark and light terminals.
constexpr std::string_view kShallowest = "38;5;244";
constexpr std::string_view kDeepest = "38;5;16;48;5;43";
constexpr std::array<std::string_view, 3> kBetween = {"38;5;231;48;5;23", "38;5;231;48;5;30",
                                                      "38;5;16;48;5;37"};
constexpr std::string_view kMarksBetween = ".:-=+*%";
constexpr char kDeepestMark = '#', kRevivedMark = '^';

/// One for each depth that occurs, from the shallowest.
std::vector<Shade> choose_shades(const TokenReport& report) {
  std::vector<int> depths = report.depths;
  std::sort(depths.begin(), depths.end());
  depths.erase(std::unique(depths.begin(), depths.end()), depths.end());
  std::vector<Shade> shades;
  for (size_t rank = 0; rank < depths.size(); ++rank) {
    Shade shade;
    shade.depth = depths[rank];
    shade.tokens = std::count(report.depths.begin(), report.depths.end(), shade.depth);
    if (rank + 1 == depths.size()) {
      shade.color = kDeepest;
      shade.mark = kDeepestMark;
    } else if (rank == 0) {
      shade.color = kShallowest;
      shade.mark = ' ';
    } else {
      const size_t between = depths.size() - 2;
      shade.color = kBetween[(rank - 1) * kBetween.size() / between];
      shade.mark = kMarksBetween[(rank - 1) * kMarksBetween.size() / between];
    }
    shades.push_back(shade);
  }
  return shades;
}

const Shade& shade_of(const std::vector<Shade>& shades, int depth) {
  return *std::lower_bound(shades.begin(), shades.end(), depth,
                           [](const Shade& shade, int wanted) { return shade.depth < wanted; });
}

/// A character of the prompt with what is known of its tokens.
struct Cell {
  TerminalCharacter character;
  int depth = 0;
  bool revived = false;
};

std::vector<Cell> make_cells(std::span<const std::string> pieces, const TokenReport& report) {
  std::vector<bool> revived(pieces.size(), false);
  for (const TokenReport::Revival& revival : report.revivals) {
    revived[static_cast<size_t>(revival.token)] = true;
  }
  std::string text;
  std::vector<size_t> token_of_byte;
  for (size_t token = 0; token < pieces.size(); ++token) {
    text += pieces[token];
    token_of_byte.resize(text.size(), token);
  }
  std::vector<Cell> cells;
  for (size_t begin = 0; begin < text.size();) {
    Cell cell;
    cell.character = next_terminal_character(text, begin);
    const size_t end = begin + cell.character.source_bytes;
    for (size_t byte = begin; byte < end; ++byte) {
      const size_t token = token_of_byte[byte];
      cell.depth = std::max(cell.depth, report.depths[token]);
      cell.revived = cell.revived || revived[token];
    }
    begin = end;
    cells.push_back(std::move(cell));
  }
  return cells;
}

std::string colored_text(const std::vector<Cell>& cells, const std::vector<Shade>& shades) {
  std::string out, current;
  const auto switch_to = [&](const std::string& style) {
    if (style == current) return;
    out += style.empty() ? "\033[0m" : "\033[0;" + style + "m";
    current = style;
  };
  for (const Cell& cell : cells) {
    if (cell.character.text == "\n") {
      switch_to("");  // or the shade would run on to the edge
    } else {
      switch_to(std::string(shade_of(shades, cell.depth).color) + (cell.revived ? ";4" : ""));
    }
    out += cell.character.text;
  }
  switch_to("");
  return out;
}

/// Lines of text, each with a line of marks under it.
class MarkedLines {
 public:
  MarkedLines(const std::vector<Shade>& shades, int width) : shades_(shades), width_(width) {}

  void add(const Cell& cell) {
    if (cell.character.text == "\n") {
      end_line(line_.size());
      return;
    }
    if (columns_ + cell.character.columns > width_ && !line_.empty()) break_line();
    line_.push_back(&cell);
    columns_ += cell.character.columns;
  }

  std::string finish() {
    if (!line_.empty()) end_line(line_.size());
    return std::move(out_);
  }

 private:
  /// Behind the last space, or where the line is full.
  void break_line() {
    const auto space = std::find_if(line_.rbegin(), line_.rend(),
                                    [](const Cell* cell) { return cell->character.text == " "; });
    end_line(space == line_.rend() ? line_.size() : static_cast<size_t>(line_.rend() - space));
  }

  void end_line(size_t cells) {
    std::string marks;
    for (size_t i = 0; i < cells; ++i) {
      const Cell& cell = *line_[i];
      out_ += cell.character.text;
      const char mark = cell.revived ? kRevivedMark : shade_of(shades_, cell.depth).mark;
      marks.append(static_cast<size_t>(cell.character.columns), mark);
      columns_ -= cell.character.columns;
    }
    line_.erase(line_.begin(), line_.begin() + static_cast<std::ptrdiff_t>(cells));
    out_ += '\n';
    marks.erase(marks.find_last_not_of(' ') + 1);
    if (!marks.empty()) out_ += marks + '\n';
  }

  const std::vector<Shade>& shades_;
  int width_;
  std::string out_;
  std::vector<const Cell*> line_;
  int columns_ = 0;
};

std::string marked_text(const std::vector<Cell>& cells, const std::vector<Shade>& shades,
                        int width) {
  MarkedLines lines(shades, width);
  for (const Cell& cell : cells) lines.add(cell);
  return lines.finish();
}

std::string legend(const std::vector<Shade>& shades, const TokenReport& report, int layers,
                   bool color) {
  const auto sample = [&](std::string_view style, char mark) {
    return color ? fmt::format("\033[0;{}m text \033[0m", style) : fmt::format("[{}]", mark);
  };
  std::string out = fmt::format("[kept] {} prompt tokens, shaded by the layers they passed\n",
                                report.depths.size());
  for (auto shade = shades.rbegin(); shade != shades.rend(); ++shade) {
    const std::string what = shade->depth == layers ? fmt::format("all {} layers", layers)
                             : shade->depth == 0    ? std::string("left out before the model")
                                                 : fmt::format("left after layer {}", shade->depth);
    out += fmt::format(
        "  {} {:<26} {:>7} tokens {:>5.1f} %\n", sample(shade->color, shade->mark), what,
        shade->tokens,
        100.0 * static_cast<double>(shade->tokens) / static_cast<double>(report.depths.size()));
  }
  std::vector<int64_t> revived;
  for (const TokenReport::Revival& revival : report.revivals) revived.push_back(revival.token);
  std::sort(revived.begin(), revived.end());
  revived.erase(std::unique(revived.begin(), revived.end()), revived.end());
  if (!revived.empty()) {
    out += fmt::format("  {} {:<26} {:>7} tokens\n",
                       sample(std::string(kShallowest) + ";4", kRevivedMark),
                       "revived by the answer", revived.size());
  }
  return out;
}

}  // namespace

std::string kept_view(std::span<const std::string> pieces, const TokenReport& report, int layers,
                      const KeptViewOptions& options) {
  if (report.depths.empty() || pieces.size() != report.depths.size()) return {};
  const std::vector<Shade> shades = choose_shades(report);
  const std::vector<Cell> cells = make_cells(pieces, report);
  std::string out = options.color ? colored_text(cells, shades)
                                  : marked_text(cells, shades, std::max(options.width, 1));
  if (!out.empty() && out.back() != '\n') out += '\n';
  return out + legend(shades, report, layers, options.color);
}

}  // namespace lazyllm
