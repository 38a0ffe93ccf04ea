"""Fuzz targets that are also tests.

    kms_fuzz_test(name = "report_fuzz", srcs = ["report_fuzz.cc"], ...)

Ordinarily it replays its corpus (files under testdata/<name>/, if any) and a
fixed number of seeded mutations of it. With --config=fuzz it is a libFuzzer
program: bazel run --config=fuzz //pkg:name -- -max_total_time=600.
"""

def kms_fuzz_test(name, srcs, deps = [], size = "small", data = [], **kwargs):
    corpus = native.glob(["testdata/" + name + "/*"])
    native.cc_test(
        name = name,
        size = size,
        srcs = srcs,
        args = select({
            "//tools/build:fuzzing": [],
            "//conditions:default": ["$(rootpaths :%s_corpus)" % name] if corpus else [],
        }),
        data = data + ([":%s_corpus" % name] if corpus else []),
        linkopts = select({
            "//tools/build:fuzzing": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        tags = ["fuzz"],
        deps = deps + select({
            "//tools/build:fuzzing": [],
            "//conditions:default": ["//tools/build:fuzz_replay"],
        }),
        **kwargs
    )
    if corpus:
        native.filegroup(name = name + "_corpus", srcs = corpus)
