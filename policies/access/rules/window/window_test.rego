package access.rules.window_test

import data.access.rules.window
import data.lib.fixtures_test as f

_codes(document, settings) := codes if {
	codes := f.codes(window.deny) with input as document with data.settings as settings
}

_in(seconds) := f.set(f.request, "/window", {
	"start": f.request.now + seconds,
	"end": (f.request.now + seconds) + 7200,
})

_extended(now) := f.set(f.set(f.set(f.request, "/change", "widen"), "/previous", f.proven), "/now", now)

test_allow_now if _codes(_in(0), f.settings) == set()

test_deny_a_second_ago if _codes(_in(-1), f.settings) == {"window-start"}

test_allow_in_seven_days if _codes(_in(604800), f.settings) == set()

test_deny_a_second_later if _codes(_in(604801), f.settings) == {"window-start"}

test_deny_without_the_setting if _codes(_in(0), {}) == {"window-start"}

test_deny_without_now if {
	_codes(f.without(f.request, "/now"), f.settings) == {"window-start"}
	every odd in [null, "0", true, [0]] {
		_codes(f.set(f.request, "/now", odd), f.settings) == {"window-start"}
		_codes(_extended(odd), f.settings) == {"window-start"}
	}
}

test_deny_without_window if {
	_codes(f.set(f.request, "/window", null), f.settings) == {"window-start", "window-length"}
	every odd in [null, "0", true, [0]] {
		_codes(f.set(f.request, "/window/start", odd), f.settings) == {"window-start", "window-length"}
		_codes(f.set(f.request, "/window/end", odd), f.settings) == {"window-length"}
	}
}

test_allow_extension_while_alive if {
	_codes(_extended(f.request.window.end - 1), f.settings) == set()
}

test_deny_extension_after_the_end if {
	_codes(_extended(f.request.window.end), f.settings) == {"window-start"}
}

test_deny_extension_of_no_known_window if {
	every odd in [null, "0", true, [0]] {
		extended := _extended(f.request.now + 60)
		_codes(f.set(extended, "/previous/window/end", odd), f.settings) == {"window-start"}
		moved := f.set(f.set(extended, "/window/start", odd), "/previous/window/start", odd)
		_codes(moved, f.settings) == {"window-start", "window-length"}
		ahead := f.set(f.set(_in(60), "/change", "widen"), "/previous", f.proven)
		_codes(f.set(ahead, "/previous/window/start", odd), f.settings) == {"window-start"}
	}
}

test_only_an_extension_may_have_begun if {
	every change in ["create", "renew"] {
		_codes(f.set(_extended(f.request.now + 60), "/change", change), f.settings) == {"window-start"}
	}
}

test_deny_extension_that_moves_the_start if {
	document := f.set(_extended(f.request.now + 60), "/previous/window/start", f.request.now - 1)
	_codes(document, f.settings) == {"window-start"}
}

# Or each edit would add a whole duration to what came before it.
test_deny_extension_that_moves_a_start_that_has_come if {
	document := f.set(_extended(f.proven.window.start), "/window/start", f.proven.window.start + 60)
	_codes(f.set(document, "/window/end", f.proven.window.start + 7260), f.settings) == {"window-start"}
}

test_allow_moving_a_start_that_is_to_come if {
	document := f.set(_extended(f.proven.window.start - 1), "/window/start", f.proven.window.start + 60)
	_codes(f.set(document, "/window/end", f.proven.window.start + 7260), f.settings) == set()
}

test_deny_moving_what_was_never_proven if {
	_codes(f.set(_in(60), "/change", "widen"), f.settings) == {"window-start"}
}

test_deny_another_length if {
	document := f.set(f.request, "/window/end", f.request.window.end + 1)
	_codes(document, f.settings) == {"window-length"}
}

test_allow_five_minutes if {
	document := f.set(f.set(f.request, "/grant/duration", 300), "/window/end", f.request.now + 300)
	_codes(document, f.settings) == set()
}

test_deny_under_five_minutes if {
	document := f.set(f.set(f.request, "/grant/duration", 299), "/window/end", f.request.now + 299)
	_codes(document, f.settings) == {"window-length"}
}

test_deny_a_duration_that_is_none if {
	every odd in [null, "7200", true, [7200]] {
		_codes(f.set(f.request, "/grant/duration", odd), f.settings) == {"window-length"}
	}
}
