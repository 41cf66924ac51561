/* SPDX-License-Identifier: BSL-1.0
 * SPDX-FileCopyrightText: The libivshmem authors
 *
 * Sleeping and waking of a channel (lib/channel/channel-layout.md): one side sends COUNT messages through a ring for
 * ROOM_FOR of them, the other receives; each may sleep. Each side has a store buffer for one store, as x86
 * has: a store becomes visible at any time later, at a fence, before the next store or at a ring.
 *
 * FORGED  how many doorbells ring by themselves
 * LOST    the maximum number of lost rings; 255: any number
 * VALUES  how many values of the word there are before one comes again
 * FINISH  the sender finishes after the last message, and the receiver finds the end
 * CLOSES  the receiver may close at any time; a sender that sleeps finds out
 * TIMERS  1: the sender looks, and rings, again every recheck period; 3: the receiver looks again too
 */
#ifndef MUTATION
#define MUTATION 0
#endif
#define RULE(n) (MUTATION != n)

#define SENDER 0
#define RECEIVER 1
#define OTHER (1 - me)

/* Shared words. A message is published by its head: here, by the position after it. */
#define NOTHING 0
#define PUBLISHED 1
#define CURSOR 2
#define ROOM 3
#define WAKE(side) (4 + side)
#define FLAG(side) (6 + side) /* finished, or deaf */
byte memory[8];
byte buffered[2], value[2]; /* the store buffers: the word and its value */
bit bell[2];
byte received, lost = LOST, forged = FORGED;
bit over[2]; /* the sides that have found the end */

inline drain(side) {
  if
  :: buffered[side] != NOTHING -> memory[buffered[side]] = value[side]; buffered[side] = NOTHING; value[side] = 0
  :: else
  fi
}
#define STORE(word, v) d_step { drain(me); buffered[me] = word; value[me] = v }
#define FENCE(n) if :: RULE(n) -> d_step { drain(me) } :: else fi

inline ring() {
  if
  :: d_step { drain(me); bell[OTHER] = 1 }
  :: d_step { lost > 0 -> drain(me); if :: lost < 255 -> lost-- :: else fi }
  fi
}

/* A new value with each arming; without timers, there are more VALUES than armings before an answer. */
inline arm() {
  armed = (RULE(7) -> armed % VALUES + 1 : 1);
  STORE(WAKE(me), armed)
}

/* Rings once for each arming. */
inline answer() {
  answered = word;
  rung = 1;
  ring()
}

/* A side that has rung for data that is not read yet rings again every recheck period. */
inline again() {
  if
  :: rung && RULE(11) -> ring()
  :: else
  fi
}

inline sleep() {
  if
  :: d_step { bell[SENDER] -> bell[SENDER] = 0 }
#if TIMERS
  :: again()
#endif
  fi
}

proctype Sender(bit me) {
  byte tail, word, answered, armed, v;
  bit rung;
  do
  :: tail == COUNT -> break
  :: else ->
    v = memory[CURSOR];
    if
    :: tail - v < ROOM_FOR ->
      tail++;
      STORE(PUBLISHED, tail);
      FENCE(1);
      word = memory[WAKE(RECEIVER)];
      if
      :: word != 0 && word != answered -> answer()
      :: else
      fi
    :: else ->
      /* Any cursor that frees room for one, up to that of an empty ring. */
      select(v : tail + 1 - ROOM_FOR .. tail);
      if
      :: !RULE(9) -> v = tail + 1
      :: else
      fi;
      if
      :: STORE(ROOM, v); arm()
      :: arm(); STORE(ROOM, v)
      fi;
      FENCE(2);
      v = memory[CURSOR];
#ifdef CLOSES
      if
      :: memory[FLAG(RECEIVER)] -> v = 0; word = 0; break
      :: else
      fi;
#endif
      if
      :: tail - v == ROOM_FOR || !RULE(4) -> sleep()
      :: else
      fi;
      STORE(WAKE(me), 0)
    fi;
    v = 0; word = 0
  od;
#if TIMERS
  do
  :: memory[CURSOR] == tail -> break
  :: memory[CURSOR] != tail -> again()
  od
#endif
#ifdef FINISH
  skip;
  STORE(FLAG(me), 1);
  if
  :: RULE(12) -> ring()
  :: else
  fi;
  over[me] = 1
#endif
}

/* The end is found if the ring is empty after the flag was seen. */
inline look_for_end() {
  if
  :: RULE(14) -> word = memory[FLAG(SENDER)]; v = memory[PUBLISHED]
  :: else -> v = memory[PUBLISHED]; word = memory[FLAG(SENDER)] /* only in a mutation */
  fi;
  if
  :: word && v == received -> assert(received == COUNT); v = 0; word = 0; break
  :: else -> v = 0; word = 0
  fi
}

inline publish() {
  published = received;
  STORE(CURSOR, published);
  FENCE(5);
  if
  :: word = memory[WAKE(SENDER)]; v = memory[ROOM]
  :: v = memory[ROOM]; word = memory[WAKE(SENDER)]
  fi;
  if
  :: word != 0 && word != answered && published >= v -> answer()
  :: else
  fi;
  v = 0; word = 0
}

proctype Receiver(bit me) {
  byte published, word, answered, armed, v;
  bit rung; /* room is announced once: a side that waits for it looks again */
  do
#ifdef CLOSES
  :: STORE(FLAG(me), 1);
    if
    :: RULE(13) -> ring()
    :: else
    fi;
    break
#endif
  :: v = memory[PUBLISHED];
    if
    :: v != received ->
      v = 0;
      received++;
      if
      :: publish()
      :: skip
      fi
    :: else ->
      if
      :: published != received && RULE(8) -> publish()
      :: else
      fi;
#ifdef FINISH
      look_for_end();
#endif
      arm();
      FENCE(6);
      v = memory[PUBLISHED];
      if
      :: v == received || !RULE(3) ->
        v = 0;
end:    if
        :: d_step { bell[RECEIVER] -> bell[RECEIVER] = 0 }
#if TIMERS == 3
        :: RULE(10) -> skip
#endif
        fi
      :: else -> v = 0
      fi;
      STORE(WAKE(me), 0)
    fi
  od
#ifdef FINISH
  ;
  over[me] = 1
#endif
}

proctype Drain(bit side) {
end:
  do
  :: d_step { buffered[side] != NOTHING -> drain(side) }
  od
}

active proctype Forge() {
end:
  do
  :: d_step { forged > 0 -> forged--; bell[SENDER] = 1 }
  :: d_step { forged > 0 -> forged--; bell[RECEIVER] = 1 }
  :: d_step { forged > 0 -> forged = 0 }
  od
}

init {
  atomic { run Sender(SENDER); run Receiver(RECEIVER); run Drain(SENDER); run Drain(RECEIVER) }
}

#if TIMERS
ltl { <> (received == COUNT) }
#else
active proctype End() {
  timeout;
#ifdef FINISH
  assert(over[SENDER] && over[RECEIVER])
#else
  assert(received == COUNT && memory[CURSOR] == COUNT)
#endif
}
#endif
