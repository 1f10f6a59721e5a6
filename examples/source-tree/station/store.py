"""The readings of the last day, by sensor."""

DAY = 24 * 60 * 60


class Store:
    def __init__(self):
        self.readings = {}

    def add(self, name, at, value):
        # TODO: readings can come out of order; insert them where they belong.
        self.readings.setdefault(name, []).append((at, value))

    def forget(self, now):
        for name, kept in self.readings.items():
            self.readings[name] = [(at, value) for at, value in kept if now - at < DAY]

    def latest(self, name):
        return self.readings[name][-1]
