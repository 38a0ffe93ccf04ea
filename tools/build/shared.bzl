"""Brings ../shared (real evidence, test vectors) into the build when present.

The data is other people's, so it is never copied into the project: the
repository holds symlinks. Where the folder is absent the file groups are
empty and @shared//:present is a file that says so.
"""

def _impl(ctx):
    root = ctx.path(Label("@kms//:WORKSPACE")).realpath.dirname
    shared = root.dirname.get_child("shared")
    groups = ["evidence", "vectors"]
    build = ['package(default_visibility = ["//visibility:public"])']
    for group in groups:
        folder = shared.get_child(group)
        if folder.exists:
            ctx.symlink(folder, group)
        build.append(
            'filegroup(name = "{g}", srcs = glob(["{g}/**"], allow_empty = True))'
                .format(g = group),
        )
    ctx.file("BUILD", "\n".join(build) + "\n")
    ctx.file("WORKSPACE", 'workspace(name = "shared")\n')

shared_data_repository = repository_rule(
    implementation = _impl,
    local = True,  # Looked at anew each time: the folder may come and go.
)
