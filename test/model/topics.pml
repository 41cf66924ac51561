/* SPDX-License-Identifier: BSL-1.0
 * SPDX-FileCopyrightText: The libivshmem authors
 *
 * A topic (lib/channel/channel-layout.md): a writer publishes COUNT messages, ends the topic, and begins another one of
 * the same name, whose index and data take the same room, and which may end, too. A reader looks for the name, reads, skips what it was too slow
 * for, sleeps until it is rung, and finds the end of each. It may start again RESTARTS times, in another incarnation of
 * its slot. Each side has a store buffer for one store, as x86 has: a store becomes visible at any time later, at a
 * fence, before the next store or at a ring.
 *
 * The index has two records, and the data room for two messages: that of number n is in place n modulo 2. Entry e of the
 * table is topic number e; the second topic has entry 1.
 */
#ifndef MUTATION
#define MUTATION 0
#endif
#define RULE(n) (MUTATION != n)

#define WRITER 0
#define READER 1

/* Shared words. */
#define NOTHING 0
#define KEY(e) (1 + e)
#define FLAGS(e) (3 + e)
#define NEWEST(e) (5 + e)
#define MARK(n) (7 + (n) % 2)
#define DATA(n) (9 + (n) % 2)
#define WANTED(e) (11 + e)
byte memory[13];
byte buffered[2], value[2]; /* the store buffers: the word and its value */
bit bell, done, all; /* all: this side sleeps, and has read what there is of the second topic */

#define TORN 255
#define BYTES(e, n) (e * 16 + n)

inline drain(side) {
  if
  :: buffered[side] != NOTHING -> memory[buffered[side]] = value[side]; buffered[side] = NOTHING; value[side] = 0
  :: else
  fi
}
#define STORE(word, v) d_step { drain(me); buffered[me] = word; value[me] = v }
#define FENCE(n) if :: RULE(n) -> d_step { drain(me) } :: else fi
#define ALWAYS 99

/* Rings once for each request. */
inline answer() {
  FENCE(1);
  word = memory[WANTED(e)];
  if
  :: word != 0 && word != answered -> answered = word; d_step { drain(me); bell = 1 }
  :: else
  fi;
  word = 0
}

proctype Writer(bit me) {
  byte n, word, answered;
  bit e;
topic:
  if
  :: e == 1 && RULE(12) -> STORE(KEY(0), 0); FENCE(ALWAYS)
  :: else
  fi;
  d_step { drain(me); memory[MARK(0)] = 0; memory[MARK(1)] = 0 }; /* nobody sees a part of this: no key says so */
  STORE(KEY(e), e + 1);
  FENCE(ALWAYS);
  if
  :: RULE(8) -> bell = 1
  :: else
  fi;
  do
  :: n == COUNT -> break
  :: else ->
    n++;
    if
    :: RULE(14) -> STORE(MARK(n), 0); FENCE(ALWAYS)
    :: else
    fi;
    STORE(DATA(n), TORN);
    STORE(DATA(n), BYTES(e, n));
    STORE(MARK(n), n);
    STORE(NEWEST(e), n);
    answer()
  od;
  if
  :: STORE(FLAGS(e), 1);
    if
    :: RULE(7) -> answer()
    :: else
    fi
  :: e == 1
  fi;
  n = 0; answered = 0;
  if
  :: e == 0 -> e = 1; goto topic
  :: else
  fi
}

#define IS_OVER (memory[FLAGS(e)] || memory[KEY(e)] != key)

proctype Reader(bit me) {
  byte next, counted, newest, v, asked, known, key, restarts = RESTARTS;
  bit e, looked, waited, over, again;

search: /* an open one before one that has ended */
  e = 1;
  do
  :: key = memory[KEY(e)];
    if
    :: key == 0 || key == known -> skip
    :: else ->
      over = memory[FLAGS(e)];
      if
      :: !over -> break
      :: over && looked -> over = 0; break /* it came and went while this side waited */
      :: over && !looked -> known = key; over = 0
      fi
    fi;
    if
    :: e == 1 -> e = 0
    :: else ->
      key = 0;
      looked = 1;
      if
      :: known == 2 -> goto finish
      :: known != 2 -> d_step { bell -> bell = 0 }
      fi;
      e = 1
    fi
  od;
  waited = looked;
  if
  :: looked && RULE(9) -> next = 1
  :: else -> next = memory[NEWEST(e)] + 1
  fi;
  looked = 1;

read:
  v = memory[MARK(next)];
  if
  :: v == next ->
    v = memory[DATA(next)];
    if
    :: RULE(10) && memory[MARK(next)] != next -> goto lost
    :: else
    fi;
    if
    :: RULE(11) && memory[KEY(e)] != key -> goto lost
    :: else
    fi;
    assert(v == BYTES(e, next));
lost:
    next++; counted++; v = 0;
    goto read
  :: else -> v = 0
  fi;
  newest = memory[NEWEST(e)];
  if
  :: newest == 0 || newest == next - 1 -> skip
  :: else ->
    v = memory[MARK(next)];
    if
    :: v != next && newest > next ->
      v = memory[MARK(newest)];
      if
      :: v == newest -> counted = counted + newest - next; next = newest
      :: else
      fi
    :: else
    fi;
    v = 0; newest = 0;
    goto read
  fi;
  /* There is no message. */
  if
  :: !over ->
    over = IS_OVER;
    if
    :: over && RULE(13) -> newest = 0; goto read
    :: else
    fi
  :: else
  fi;
  if
  :: over ->
    if
    :: memory[KEY(e)] == key -> assert(next == COUNT + 1); assert(!waited || counted == COUNT)
    :: else
    fi;
    known = key;
    d_step { newest = 0; next = 0; counted = 0; over = 0; waited = 0; key = 0 };
    if
    :: e == 1 -> goto finish
    :: else -> goto search
    fi
  :: else
  fi;
  all = (e == 1 && next == COUNT + 1);
  asked = (RULE(5) -> asked + 1 : 1);
  STORE(WANTED(e), asked);
  FENCE(2);
  v = newest;
  if
  :: RULE(3) -> v = memory[NEWEST(e)]
  :: else
  fi;
  if
  :: RULE(4) -> again = IS_OVER
  :: else
  fi;
  if
  :: v == newest && !again ->
    if
    :: d_step { bell -> bell = 0 }
    :: restarts > 0 ->
      restarts--;
      all = 0;
      STORE(WANTED(e), 0);
      FENCE(ALWAYS);
      d_step {
        newest = 0; next = 0; counted = 0; waited = 0; key = 0; v = 0; known = 0; looked = 0;
        asked = (RULE(6) -> asked : 0)
      };
      goto search
    fi
  :: else
  fi;
  d_step { again = 0; v = 0; newest = 0 };
  STORE(WANTED(e), 0);
  goto read;

finish:
  done = 1
}

proctype Drain(bit side) {
end:
  do
  :: d_step { buffered[side] != NOTHING -> drain(side) }
  od
}

init {
  atomic { run Writer(WRITER); run Reader(READER); run Drain(WRITER); run Drain(READER) }
}

active proctype End() {
  timeout;
  assert(done == 1 || (all == 1 && memory[FLAGS(1)] == 0))
}
