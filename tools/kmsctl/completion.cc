#include "tools/kmsctl/completion.h"

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace kms::kmsctl {
namespace {

// What may follow a path of commands ("key create").
struct Node {
  std::string path;
  std::vector<std::string> words;  // Subcommands, then options.
};

std::vector<std::string> OptionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
    for (const std::string& name : option->get_snames()) {
      names.push_back("-" + name);
    }
  }
  return names;
}

// The tree has three levels; its depth is ours, not an input's.
void Collect(const CLI::App& app, const std::string& path,
             const std::vector<std::string>& global, std::vector<Node>& nodes) {
  Node node{path, {}};
  const auto commands =
      app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* command : commands) {
    node.words.push_back(command->get_name());
  }
  for (const std::string& name : OptionNames(app)) node.words.push_back(name);
  if (!path.empty()) {
    node.words.insert(node.words.end(), global.begin(), global.end());
  }
  nodes.push_back(std::move(node));
  for (const CLI::App* command : commands) {
    Collect(*command,
            path.empty() ? command->get_name()
                         : absl::StrCat(path, " ", command->get_name()),
            global, nodes);
  }
}

// One function for bash; zsh runs it through bashcompinit. It follows the
// words before the cursor down the tree and offers what may come next.
std::string BashScript(const std::vector<Node>& nodes) {
  std::string script =
      "_kmsctl() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} path= word i words=\n"
      "  local paths=\" ";
  for (const Node& node : nodes) {
    if (!node.path.empty()) absl::StrAppend(&script, node.path, ":");
  }
  absl::StrAppend(
      &script,
      "\"\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    word=${path:+$path }${COMP_WORDS[i]}\n"
      "    case \":${paths# }\" in *\":$word:\"*) path=$word ;; esac\n"
      "  done\n"
      "  case $path in\n");
  for (const Node& node : nodes) {
    absl::StrAppend(&script, "    \"", node.path, "\") words=\"",
                    absl::StrJoin(node.words, " "), "\" ;;\n");
  }
  absl::StrAppend(&script,
                  "  esac\n"
                  "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
                  "}\n"
                  "complete -o default -F _kmsctl kmsctl\n");
  return script;
}

std::string FishScript(const std::vector<Node>& nodes) {
  std::string script;
  for (const Node& node : nodes) {
    // A path matches when its commands, in order, are all that was typed.
    for (const std::string& word : node.words) {
      absl::StrAppend(&script,
                      "complete -c kmsctl -n 'test (string join \" \" "
                      "(string match -v -- \"-*\" (commandline -opc)"
                      "[2..])) = \"",
                      node.path, "\"' -a '", word, "'\n");
    }
  }
  return script;
}

}  // namespace

std::string CompletionScript(const CLI::App& app, const std::string& shell) {
  std::vector<Node> nodes;
  Collect(app, "", OptionNames(app), nodes);
  if (shell == "fish") return FishScript(nodes);
  const std::string bash = BashScript(nodes);
  if (shell == "bash") return bash;
  return absl::StrCat("autoload -U +X bashcompinit && bashcompinit\n", bash);
}

void AddCompletionCommand(CLI::App& app, Context& context) {
  CLI::App* completion = app.add_subcommand(
      "completion", "Print a completion script for your shell");
  auto shell = std::make_shared<std::string>();
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  context.OnRun(*completion, [&app, &context, shell] {
    context.out() << CompletionScript(app, *shell);
    return absl::OkStatus();
  });
}

}  // namespace kms::kmsctl
