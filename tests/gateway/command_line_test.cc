// The built program as its users meet it: what it prints where, and how it exits.
#include "gateway/command_line.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::gateway {
namespace {

namespace fs = std::filesystem;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Ended {
  int code = -1;
  std::string out;
  std::string err;
};

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// A running `weir`, its standard error readable line by line.
class Process {
 public:
  Process(const std::vector<std::string>& arguments, const std::string& in_file,
          const std::string& out_file) {
    int err[2];
    EXPECT_EQ(::pipe(err), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(::open(in_file.c_str(), O_RDONLY), 0);
      ::dup2(::open(out_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
      ::dup2(err[1], 2);
      ::close(err[0]);
      ::close(err[1]);
      std::vector<char*> argv = {const_cast<char*>("weir")};
      for (const std::string& one : arguments) argv.push_back(const_cast<char*>(one.c_str()));
      argv.push_back(nullptr);
      ::execv(WEIR_BINARY_DIR "/weir", argv.data());
      ::_exit(127);
    }
    ::close(err[1]);
    err_ = err[0];
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      Wait();
    }
    ::close(err_);
  }

  void Signal(int signal) const { ::kill(pid_, signal); }

  // Reads standard error until `mark` stands in it; false when it ended before.
  bool SaysOnErr(const std::string& mark) {
    while (err_text_.find(mark) == std::string::npos) {
      if (!ReadErr()) return false;
    }
    return true;
  }

  // What it wrote to standard error, to its end.
  std::string Err() {
    while (ReadErr()) {
    }
    return err_text_;
  }

  int Wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

 private:
  bool ReadErr() {
    char bytes[4096];
    const ssize_t got = ::read(err_, bytes, sizeof(bytes));
    if (got > 0) err_text_.append(bytes, static_cast<size_t>(got));
    return got > 0;
  }

  pid_t pid_ = -1;
  int err_ = -1;
  std::string err_text_;
};

class CommandLineTest : public testing::Test {
 protected:
  CommandLineTest() : folder_(testing::TempDir() + "/weir_cli_" + std::to_string(::getpid())) {
    fs::current_path(WEIR_SOURCE_DIR);
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    ::setenv("WEIR_DEMO_KEY", "demo-key-1", 1);
    ::unsetenv("WEIR_MISSING_KEY");
  }
  ~CommandLineTest() override { fs::remove_all(folder_); }

  Ended Run(const std::vector<std::string>& arguments, const std::string& in = "") {
    Write("in", in);
    Process process(arguments, Path("in"), Path("out"));
    Ended ended;
    ended.err = process.Err();
    ended.code = process.Wait();
    ended.out = ReadFile(Path("out"));
    return ended;
  }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
    return Path(name);
  }

  // A configuration that can be served; `key_env` and `pack` are what tests break.
  std::string Config(const std::string& pack = "tests/gateway/data/pack.yaml",
                     const std::string& key_env = "WEIR_DEMO_KEY", uint16_t port = 0) const {
    return Write("weir.yaml",
                 "listen: 127.0.0.1:" + std::to_string(port) +
                     "\nadmin: {listen: 127.0.0.1:0}\nthreads: 1\nupstreams:\n"
                     "  - {name: demo, dialect: openai, base_url: http://127.0.0.1:9/v1}\n"
                     "models:\n  - {name: demo, upstream: demo}\napps:\n  - {id: app, key_env: " +
                     key_env + ", profile: cn-public}\nrules: {packs: [" + pack +
                     "]}\naudit: {dir: " + Path("audit") + "}\n");
  }

  const std::string folder_;
};

TEST_F(CommandLineTest, AUsageErrorIsOneSentenceOnStandardErrorAndExitTwo) {
  const struct {
    std::vector<std::string> arguments;
    std::string err;
  } cases[] = {
      {{}, "weir: name one of serve, scan, rules, audit; see `weir --help`.\n"},
      {{"nonsense"},
       "weir: The following argument was not expected: nonsense; see `weir --help`.\n"},
      {{"serve"}, "weir serve: --config is required; see `weir serve --help`.\n"},
      {{"serve", "--config"},
       "weir serve: --config: 1 required FILE missing; see `weir serve --help`.\n"},
      {{"serve", "--config", "none.yaml"},
       "weir serve: cannot read none.yaml; give --config a file that is there (config/weir.yaml is "
       "the reference).\n"},
      {{"scan"}, "weir scan: --rules is required; see `weir scan --help`.\n"},
      {{"scan", "--rules", "x", "--direction", "up"},
       "weir scan: --direction: write one of prompt, answer; see `weir scan --help`.\n"},
      {{"scan", "--rules", "x", "--chunk", "0"},
       "weir scan: --chunk: write a whole number from 1 to 1073741824; see `weir scan --help`.\n"},
      {{"scan", "--rules", "x", "--chunk", "-1"},
       "weir scan: --chunk: write a whole number from 1 to 1073741824; see `weir scan --help`.\n"},
      {{"scan", "--rules", "x", "--chunk", "8k"},
       "weir scan: --chunk: write a whole number from 1 to 1073741824; see `weir scan --help`.\n"},
      {{"rules"}, "weir rules: name one of lint, test, stats; see `weir rules --help`.\n"},
      {{"rules", "lint", "--no-such"},
       "weir rules lint: The following argument was not expected: --no-such; see `weir rules lint "
       "--help`.\n"},
      {{"audit"},
       "weir audit: name one of query, search, report, show, verify, prove, checkpoint, reveal, "
       "erase, hold, release, export; see `weir audit "
       "--help`.\n"},
      {{"audit", "show"}, "weir audit show: ID is required; see `weir audit show --help`.\n"},
      {{"audit", "query", "--from", "yesterday"},
       "weir audit query: --from: write a time such as 2026-11-23T08:00:00+08:00, or a day such as "
       "2026-11-23 (UTC); see `weir audit query --help`.\n"},
      {{"audit", "query", "--before", "-1"},
       "weir audit query: --before: write a whole number from 0 to 18446744073709551615; see `weir "
       "audit query --help`.\n"},
      {{"audit", "query", "--action", "deny"},
       "weir audit query: --action: write one of allow, flag, mask, replace, block; see `weir "
       "audit "
       "query --help`.\n"},
      {{"audit", "verify", "--dir", "none"},
       "weir audit: there is no folder none; give --dir the folder of the ledger.\n"},
  };
  for (const auto& one : cases) {
    const Ended ended = Run(one.arguments);
    EXPECT_EQ(ended.code, 2) << one.err;
    EXPECT_EQ(ended.out, "");
    EXPECT_EQ(ended.err, one.err);
  }
}

TEST_F(CommandLineTest, HelpAndVersionAreAnswers) {
  const Ended version = Run({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.out, testing::MatchesRegex("weir [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  EXPECT_EQ(version.err, "");
  for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                {"serve"},
                                                {"scan"},
                                                {"rules"},
                                                {"rules", "lint"},
                                                {"audit"},
                                                {"audit", "query"},
                                                {"audit", "prove"}}) {
    std::vector<std::string> arguments = words;
    arguments.emplace_back("--help");
    const Ended help = Run(arguments);
    EXPECT_EQ(help.code, 0);
    EXPECT_THAT(help.out, HasSubstr("Usage: weir"));
    EXPECT_EQ(help.err, "");
  }
}

TEST_F(CommandLineTest, CheckPrintsWhatWouldRun) {
  const Ended ended = Run({"serve", "--config", Config(), "--check"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  EXPECT_THAT(ended.out, StartsWith(Path("weir.yaml") + " is good. It would run:\n"));
  for (const char* part :
       {"http://127.0.0.1:0 (1 thread)", "demo at demo (http://127.0.0.1:9/v1)",
        "app, profile cn-public, public", "dialect-test 1.0.0 (4 rules)", "strict", "sha256:"}) {
    EXPECT_THAT(ended.out, HasSubstr(part));
  }
  EXPECT_FALSE(fs::exists(Path("audit"))) << "--check made a ledger";
}

TEST_F(CommandLineTest, CheckSaysWhatIsWrong) {
  const Ended config = Run(
      {"serve", "--config", Config("tests/gateway/data/pack.yaml", "WEIR_MISSING_KEY"), "--check"});
  EXPECT_EQ(config.code, 2);
  EXPECT_EQ(config.out, "");
  EXPECT_EQ(config.err,
            Path("weir.yaml") +
                ":9: \"key_env\" names the environment variable WEIR_MISSING_KEY, which "
                "is not set or empty; set it to the key before starting weir\n");

  std::string pack = ReadFile("tests/gateway/data/pack.yaml");
  pack.replace(pack.find("今天天气不错"), std::string("今天天气不错").size(), "线上赌场今天");
  const Ended bundle = Run({"serve", "--config", Config(Write("pack.yaml", pack)), "--check"});
  EXPECT_EQ(bundle.code, 1);
  EXPECT_EQ(bundle.out, "");
  EXPECT_THAT(bundle.err, HasSubstr("pack.yaml:"));
  EXPECT_THAT(bundle.err, HasSubstr("TST-0010"));
}

TEST_F(CommandLineTest, ScanReadsAndWritesJsonLines) {
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, {"--chunk", "1"}, {"--direction", "answer", "--chunk", "4"}}) {
    std::vector<std::string> arguments = {"scan", "--rules", "tests/gateway/data/pack.yaml"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ended ended =
        Run(arguments, "{\"id\":\"a\",\"text\":\"线上赌场\"}\n{\"id\":\"b\",\"text\":\"你好\"}\n");
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_THAT(ended.out,
                AllOf(StartsWith("{\"id\":\"a\",\"action\":\"block\""),
                      HasSubstr("\"rule\":\"TST-0010\""), HasSubstr("\"start\":0,\"end\":12"),
                      HasSubstr("{\"id\":\"b\",\"action\":\"allow\"")));
  }
}

TEST_F(CommandLineTest, AProfileDecidesWhenOneIsNamed) {
  const Ended ended = Run({"scan", "--rules", "tests/gateway/data/pack.yaml", "--profile", "none"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_THAT(ended.err, HasSubstr("cn-public"));
  EXPECT_EQ(Run({"scan", "--rules", "tests/gateway/data/pack.yaml", "--profile", "cn-public"}).code,
            0);
}

TEST_F(CommandLineTest, RulesToolsTakeThePathEitherWay) {
  for (const std::string tool : {"test", "stats"}) {
    EXPECT_EQ(Run({"rules", tool, "tests/gateway/data/pack.yaml"}).code, 0) << tool;
    EXPECT_EQ(Run({"rules", tool, "--rules", "tests/gateway/data/pack.yaml"}).code, 0) << tool;
    const Ended missing = Run({"rules", tool, "none"});
    EXPECT_EQ(missing.code, 2);
    EXPECT_EQ(missing.out, "");
  }
}

TEST_F(CommandLineTest, OutputThatCannotBeWrittenIsAnError) {
  Write("in", "");
  Process process({"--version"}, Path("in"), "/dev/full");
  EXPECT_EQ(process.Err(),
            "weir: standard output could not be written; see that its disk is not full.\n");
  EXPECT_EQ(process.Wait(), 2);
}

TEST_F(CommandLineTest, ServeDrainsOnSigtermAndTheLedgerVerifies) {
  Write("in", "");
  for (const int signal : {SIGTERM, SIGINT}) {
    Process process({"serve", "--config", Config()}, Path("in"), Path("out"));
    ASSERT_TRUE(process.SaysOnErr("\"event\":\"gateway.ready\"")) << process.Err();
    process.Signal(SIGHUP);
    ASSERT_TRUE(process.SaysOnErr("\"event\":\"reload.loaded\"")) << process.Err();
    process.Signal(signal);
    EXPECT_EQ(process.Wait(), 0);
    EXPECT_EQ(ReadFile(Path("out")), "");
  }
  const Ended verified = Run({"audit", "verify", "--dir", Path("audit")});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  EXPECT_EQ(Run({"audit", "show", "0", "--dir", Path("audit")}).code, 0);
  EXPECT_EQ(Run({"audit", "query", "--kind", "service", "--dir", Path("audit")}).code, 0);
  EXPECT_EQ(Run({"audit", "checkpoint", "--dir", Path("audit")}).code, 0);
  EXPECT_EQ(Run({"audit", "prove", "0", "--out", Path("evidence"), "--dir", Path("audit")}).code,
            0);
  EXPECT_EQ(Run({"audit", "prove", Path("evidence"), "--dir", Path("audit")}).code, 0);
  EXPECT_EQ(Run({"audit", "export", "--out", Path("export"), "--dir", Path("audit")}).code, 0);
  // The regulator's program needs the export and nothing else.
  const std::string verify = std::string(WEIR_BINARY_DIR) + "/weir-verify " + Path("export");
  EXPECT_EQ(std::system((verify + " > " + Path("out")).c_str()), 0) << ReadFile(Path("out"));
}

TEST_F(CommandLineTest, APortInUseIsASentence) {
  const int taken = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(taken, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(taken, 1), 0);
  ASSERT_EQ(::getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const uint16_t port = ntohs(address.sin_port);
  const Ended ended =
      Run({"serve", "--config", Config("tests/gateway/data/pack.yaml", "WEIR_DEMO_KEY", port)});
  ::close(taken);
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(ended.err,
              HasSubstr("weir serve: 127.0.0.1:" + std::to_string(port) + " is in use."));
}

}  // namespace
}  // namespace weir::gateway
