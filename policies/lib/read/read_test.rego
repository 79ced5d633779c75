package lib.read_test

import data.lib.read

test_what_is_there if read.at({"a": {"b": 1}}, ["a", "b"]) == 1

test_what_is_not_there if {
	read.at({"a": 1}, ["a", "b"]) == null
	read.at({}, ["a"]) == null
	read.at("text", ["a"]) == null
	read.at(null, ["a"]) == null
}
