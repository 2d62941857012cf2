"""The ground floor: types, time, errors, configuration, databases."""
