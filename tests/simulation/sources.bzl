"""The simulated code, built from the sources of storage/ themselves: with
optimization, and with seeded bugs.

    storage_library(name = "storage", copts = [...], mutants = "mutants.txt")

is one library of storage/state, storage/replica and the memory engine.
Nothing else may link those beside it.
"""

def _pick_impl(ctx):
    suffix = ctx.attr.suffix
    files = [f for f in ctx.files.srcs if f.basename.endswith(suffix)]
    if not ctx.file.mutants:
        return [DefaultInfo(files = depset(files))]
    args = ctx.actions.args()
    args.add(ctx.file.mutants)
    outputs = []
    for file in files:
        output = ctx.actions.declare_file(ctx.label.name + "/" + file.path)
        args.add(file.path)
        args.add(file)
        args.add(output)
        outputs.append(output)
    ctx.actions.run(
        executable = ctx.executable._mutate,
        arguments = [args],
        inputs = files + [ctx.file.mutants],
        outputs = outputs,
        mnemonic = "Mutate",
    )
    return [DefaultInfo(files = depset(outputs))]

# The files of `srcs` that end in `suffix`, changed as `mutants` says.
_pick = rule(
    implementation = _pick_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = True),
        "suffix": attr.string(),
        "mutants": attr.label(allow_single_file = True),
        "_mutate": attr.label(
            default = "//tests/simulation:mutate",
            executable = True,
            cfg = "host",
        ),
    },
)

_SOURCES = [
    "//storage/engine:memory_engine.cc",
    "//storage/engine:memory_engine.h",
    "//storage/replica:sources",
    "//storage/state:sources",
]

def storage_library(name, copts = [], mutants = None, deps = []):
    _pick(name = name + "_hdrs", srcs = _SOURCES, suffix = ".h", testonly = True)
    _pick(
        name = name + "_srcs",
        srcs = _SOURCES,
        suffix = ".cc",
        mutants = mutants,
        testonly = True,
    )
    native.cc_library(
        name = name,
        testonly = True,
        srcs = [name + "_srcs"],
        hdrs = [name + "_hdrs"],
        copts = copts,
        deps = deps + [
            "//kms/base:byte_reader",
            "//kms/base:byte_writer",
            "//kms/base:bytes",
            "//kms/base:clock",
            "//kms/base:refusal",
            "//kms/base:status",
            "//kms/crypto:digest",
            "//kms/crypto:hmac",
            "//kms/crypto:merkle",
            "//kms/crypto:public_key",
            "//kms/crypto:signing_key",
            "//proto/kms/v1:audit_entry_proto",
            "//proto/kms/v1:refusal_proto",
            "//proto/storage/v1:command_proto",
            "//proto/storage/v1:record_proto",
            "//storage/engine",
            "//storage/envelope",
            "//storage/envelope:keyring",
            "//storage/log:log_position",
            "//storage/log:shared_log",
            "@system//:absl",
            "@system//:protobuf",
        ],
    )

def simulation_library(name, storage, copts = []):
    """The simulation of `storage`, a storage_library."""
    native.cc_library(
        name = name,
        testonly = True,
        srcs = [
            "checker.cc",
            "client.cc",
            "model.cc",
            "node.cc",
            "world.cc",
        ],
        hdrs = [
            "checker.h",
            "client.h",
            "model.h",
            "node.h",
            "random.h",
            "run.h",
            "trace.h",
            "world.h",
        ],
        copts = copts,
        deps = [
            ":bugs",
            ":cluster_keys",
            storage,
            "//kms/base:bytes",
            "//kms/base:clock",
            "//kms/base:refusal",
            "//kms/crypto:digest",
            "//kms/crypto:merkle",
            "//proto/kms/v1:audit_entry_proto",
            "//proto/kms/v1:refusal_proto",
            "//proto/storage/v1:command_proto",
            "//proto/storage/v1:record_proto",
            "//storage/log:shared_log",
            "//storage/log/simulated:simulated_log",
            "@system//:absl",
        ],
    )
