def measure(cluster, rounds):
    pass
