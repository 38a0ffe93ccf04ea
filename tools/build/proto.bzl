"""C++ code from .proto files with the distribution's protoc.

    kms_proto_library(name = "keys_proto", srcs = ["keys.proto"], deps = [...])

gives a cc_library of that name; with grpc = True it also has the services.
Imports are written from the workspace root: "proto/kms/v1/keys.proto".
"""

ProtoSources = provider(fields = ["transitive"])

def _generate_impl(ctx):
    deps = [d[ProtoSources].transitive for d in ctx.attr.deps]
    sources = depset(ctx.files.srcs, transitive = deps)
    outputs = ctx.outputs.outs
    args = ctx.actions.args()
    args.add("--proto_path=.")
    args.add("--cpp_out=" + ctx.bin_dir.path)
    if ctx.attr.grpc:
        args.add("--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin")
        args.add("--grpc_out=" + ctx.bin_dir.path)
    args.add_all(ctx.files.srcs)
    ctx.actions.run(
        executable = "/usr/bin/protoc",
        arguments = [args],
        inputs = sources,
        outputs = outputs,
        mnemonic = "Protoc",
        progress_message = "Generating C++ from %{label}",
    )
    return [
        DefaultInfo(files = depset(outputs)),
        ProtoSources(transitive = sources),
    ]

_generate = rule(
    implementation = _generate_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".proto"]),
        "deps": attr.label_list(providers = [ProtoSources]),
        "grpc": attr.bool(),
        "outs": attr.output_list(),
    },
)

def _gen(label):
    if ":" not in label:
        label += ":" + label.split("/")[-1]
    return label + "_gen"

def kms_proto_library(name, srcs, deps = [], grpc = False, visibility = None):
    """A cc_library of the messages, and with `grpc` the services, in `srcs`."""
    stems = [s[:-len(".proto")] for s in srcs]
    suffixes = [".pb"] + ([".grpc.pb"] if grpc else [])
    headers = [s + x + ".h" for s in stems for x in suffixes]
    sources = [s + x + ".cc" for s in stems for x in suffixes]
    _generate(
        name = name + "_gen",
        srcs = srcs,
        deps = [_gen(d) for d in deps],
        grpc = grpc,
        outs = headers + sources,
        visibility = visibility,
    )
    native.cc_library(
        name = name,
        srcs = sources,
        hdrs = headers,
        copts = ["-w"],  # Generated code; our warnings are for our own.
        visibility = visibility,
        deps = deps + ["@system//:protobuf"] + (["@system//:grpc"] if grpc else []),
    )
