// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "common_options.h"
#include "lazyllm/model_store.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

struct TokenizeOptions {
  std::string model, file, text;
  bool ids = false, no_bos = false, no_parse_special = false;
};

/// A piece on one line: what cannot be shown is written as an escape.
std::string printable(const std::string& piece) {
  std::string shown;
  for (const char c : piece) {
    if (c == '\n')
      shown += "\\n";
    else if (c == '\t')
      shown += "\\t";
    else if (c == '\r')
      shown += "\\r";
    else if (c == '\\')
      shown += "\\\\";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      shown += c;
  }
  // Half a character of UTF-8 is shown by its bytes.
  if (find_invalid_utf8(shown) == std::string_view::npos) return shown;
  shown.clear();
  for (const char c : piece) shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return shown;
}

void tokenize(const TokenizeOptions& options, bool has_file, bool has_text) {
  if (has_file == has_text) throw Error(ErrorCode::usage, "give either -f FILE or -p TEXT");
  const std::string text = has_file ? read_document_file(options.file) : options.text;
  const auto model = Model::load_without_weights(find_model(options.model));
  const auto tokens = model->tokenize(text, !options.no_bos, !options.no_parse_special);
  std::string out;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (options.ids) {
      out += (i == 0 ? "" : " ") + std::to_string(tokens[i]);
    } else {
      out +=
          fmt::format("{}\t{}\n", tokens[i], printable(model->piece(tokens[i], /*special=*/true)));
    }
  }
  if (options.ids) out += '\n';
  write_out(out);
}

}  // namespace

void add_tokenize_command(CLI::App& app) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand("tokenize", "show a text as tokens");
  command
      ->add_option("-m,--model", options->model,
                   "model file (also of a vocabulary alone), folder, or a name of lazyllm list")
      ->required();
  CLI::Option* file = command->add_option("-f,--file", options->file, "text file");
  CLI::Option* text = command->add_option("-p,--prompt", options->text, "text");
  command->add_flag("--ids", options->ids, "ids only, on one line");
  command->add_flag("--no-bos", options->no_bos, "do not add the beginning-of-text token");
  command->add_flag("--no-parse-special", options->no_parse_special,
                    "text that spells a special token stays text");
  command->footer(
      "Examples:\n"
      "  lazyllm tokenize -m model.gguf -p \"Hello world\"\n"
      "  lazyllm tokenize -m model.gguf -f report.txt --ids --no-bos");
  command->callback(
      [options, file, text] { tokenize(*options, file->count() > 0, text->count() > 0); });
}

}  // namespace lazyllm::cli
