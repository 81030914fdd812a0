/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 *
 * The life of a page of the pool, as lib/page/airlock_page.h has it, with all who touch it: a card,
 * an lcore for each of two VMs, guests that do what they like, agents, the unmap thread, and
 * crashes. docs/remap.md tells the same in words. page.sh runs it.
 *
 * Theory. A page is two pieces, because a packet covers only a part of it: front, which the packet
 * overwrites, and rest. Of each piece the model knows whose bytes are in it. A VM's page table says
 * which pages its guest can read and write at this moment; the guest needs no step to read, so what
 * it could read is checked after every step of anybody, by check(). A guest writes what it can, and
 * posts any page at any moment, also one that it does not hold.
 *
 * What is sent and not yet taken in (asked, answered) is kept with the page and not in a channel: the
 * agent works off requests in their order, so only which are left matters.
 *
 * Not in it: how many pages a VM may hold, what the ring looks like, the header frame (which holds
 * the layout and nothing else, and is mapped for all), frames of several pages.
 *
 * A crash, a broken connection and a VMM's death may come between any two steps, as often as RESTARTS,
 * BREAKS and DEATHS allow. Left to themselves at last, all pages must be FREE: see last().
 *
 * With DEVICE, VM 1 has a device that does DMA: a second way to what it holds, which airlockd opens
 * and closes itself. Somebody else may keep the device, so a crash of airlockd closes nothing; what
 * was open leads to a page that is nobody's when the file was punched.
 *
 * Each other #ifdef takes one safeguard away. page.sh proves that Spin then finds the fault.
 */

#ifndef RESTARTS
#define RESTARTS 1
#endif
#ifndef BREAKS
#define BREAKS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

#ifndef PAGES
#define PAGES 2
#endif
#if PAGES == 2
#define EACH_PAGE(step)       :: step(0) :: step(1)
#define EACH_PAGE_OF(step, v) :: step(v, 0) :: step(v, 1)
#define ANY_PAGE(is, v)       (is(v, 0) || is(v, 1))
#define ALL_PAGES(is)         (is(0) && is(1))
#define ALL_PAGES_OF(is, v)   (is(v, 0) && is(v, 1))
#else
#define EACH_PAGE(step)       :: step(0) :: step(1) :: step(2)
#define EACH_PAGE_OF(step, v) :: step(v, 0) :: step(v, 1) :: step(v, 2)
#define ANY_PAGE(is, v)       (is(v, 0) || is(v, 1) || is(v, 2))
#define ALL_PAGES(is)         (is(0) && is(1) && is(2))
#define ALL_PAGES_OF(is, v)   (is(v, 0) && is(v, 1) && is(v, 2))
#endif

/* VMs are 1 and 2. As an owner of bytes 0 is "zero", and ANYBODY is neither of the two. */
#define NB_VMS  2
#define ZERO    0
#define ANYBODY 3
#define NOBODY  0 /* a tag */

mtype = { FREE, CARD, HOST, LEASED, RELEASED, UNMAPPING };
mtype = { IDLE, HOLDS, LEASES };
mtype = { NOT_ASKED, ASKED, ANSWERED };
mtype = { RUNS, DEAD, PUNCHED };

/* What is in memory, whoever knows of it. */
byte front[PAGES];
byte rest[PAGES];

/* airlockd's words: gone when it crashes. */
mtype state[PAGES];
byte tag[PAGES];

/* Where a page is, each place told by those who put it there and take it away. */
bit in_mempool[PAGES];
bit in_card[PAGES];
byte holder[PAGES]; /* the VM in whose DMA table it is, or 0 */

byte packet[PAGES]; /* of CARD and HOST: the VM that the packet in it is for; 0: no packet yet */
mtype request[PAGES]; /* of UNMAPPING: what the agent was asked */

mtype airlockd = RUNS;
bit stop; /* airlockd is to stop: the last thing that happens */

typedef vm {
	bit alive; /* its VMM */
	bit mapped[PAGES]; /* the VMM's page table */
#ifdef DEVICE
	bit dma[PAGES]; /* the IOMMU domain of the VM's device */
#endif
	bit serving; /* the agent has told airlockd of its window, which may have pages since */
	bit linked; /* the window socket connects airlockd and the agent */

	/* In airlockd. */
	bit up; /* the window can be used */
	bit going; /* it has gone, and the lcores are waited for */
	bit reachable; /* the VMM whose userfaultfd airlockd has is alive */
	byte tag; /* of the window that is or was up: one that no other window has */
	byte nb_windows;
	bit posted[PAGES]; /* the RX ring, as the lcore has read it */

	/* The lcore that owns the ring. */
	mtype doing;
	byte page; /* in its hands */
	bit saw_up; /* the window was up when its iteration began */
};
vm vms[NB_VMS + 1];

byte restarts = RESTARTS;
byte breaks = BREAKS;
byte deaths = DEATHS;

hidden byte j; /* inside of a d_step */

/* The invariants of docs/remap.md, under their numbers there, for one page. What airlockd's words
 * say counts only while it runs. */
#define lcore_has(p, v) (vms[v].doing == HOLDS && vms[v].page == p)
#define on_lcore(p)     (lcore_has(p, 1) || lcore_has(p, 2))
#define nb_places(p)    (in_mempool[p] + in_card[p] + (holder[p] != 0) + on_lcore(p))
#define in_one_state(p) (airlockd != RUNS || \
			 (nb_places(p) == 1 && in_mempool[p] == (state[p] == FREE) && \
			  in_card[p] == (state[p] == CARD) && on_lcore(p) == (state[p] == HOST)))
#ifdef DEVICE
#define has_device(v)   ((v) == 1)
#define has_dma(v, p)   (vms[v].dma[p])
#define reaches(v, p)   (vms[v].mapped[p] || vms[v].dma[p])
#else
#define has_device(v)   0
#define has_dma(v, p)   0
#define reaches(v, p)   vms[v].mapped[p]
#endif
#define in_no_vm(p)     (airlockd != RUNS || holder[p] != 0 || \
			 (!reaches(1, p) && !reaches(2, p)))
#define in_one_vm(p)    ((!reaches(1, p) || !reaches(2, p)) && \
			 (airlockd != RUNS || holder[p] == 0 || \
			  !reaches(NB_VMS + 1 - holder[p], p)))
#define may_read(v, by) ((by) == ZERO || (by) == v)
#define is_own(v, p)    (!reaches(v, p) || (may_read(v, front[p]) && may_read(v, rest[p])))

inline check()
{
	assert(/* 1 */ ALL_PAGES(in_one_state));
	assert(/* 2 */ ALL_PAGES(in_no_vm));
	assert(/* 3 */ ALL_PAGES(in_one_vm));
	assert(/* 4 */ ALL_PAGES_OF(is_own, 1) && ALL_PAGES_OF(is_own, 2))
}

/* airlock_page_give() */
inline give(p)
{
	assert(state[p] == CARD || state[p] == HOST || state[p] == UNMAPPING);
	assert(!in_mempool[p]);
#ifndef KEEP_TAG
	if
	:: state[p] != UNMAPPING -> tag[p] = NOBODY
	:: else -> skip
	fi;
#endif
	state[p] = FREE;
	in_mempool[p] = 1;
	in_card[p] = 0;
	holder[p] = 0;
	packet[p] = 0;
	request[p] = NOT_ASKED
}

/* airlock_page_withdraw() */
inline withdraw(p)
{
	assert(state[p] == LEASED || state[p] == RELEASED);
	state[p] = UNMAPPING
}

/* ---- The card, or a driver that stands for one. ---- */

inline take(p)
{
	d_step {
		airlockd == RUNS && !stop && in_mempool[p] ->
		assert(state[p] == FREE);
		in_mempool[p] = 0;
		in_card[p] = 1;
		state[p] = CARD;
		check()
	}
}

/* A driver writes the packet and no more. What a VM sends to another is copied like this, too. */
inline fill(v, p)
{
	d_step {
		airlockd == RUNS && !stop && in_card[p] && packet[p] == 0 ->
		front[p] = v;
		packet[p] = v;
		check()
	}
}

/* A long packet leaves no rest. */
inline fill_whole(v, p)
{
	d_step {
		airlockd == RUNS && !stop && in_card[p] && packet[p] == 0 ->
		front[p] = v;
		rest[p] = v;
		packet[p] = v;
		check()
	}
}

/* A real card may write beyond the packet's end, so the bytes there may be anybody's. */
inline fill_by_dma(v, p)
{
	d_step {
		airlockd == RUNS && !stop && in_card[p] && packet[p] == 0 ->
		front[p] = v;
		rest[p] = ANYBODY;
#ifndef TRUST_LENGTH
		tag[p] = NOBODY;
#endif
		packet[p] = v;
		check()
	}
}

/* The port stops: frames in its rings return. */
inline return_frame(p)
{
	d_step {
		airlockd == RUNS && stop && in_card[p] ->
		give(p);
		check()
	}
}

proctype card()
{
end:	do
	EACH_PAGE(take)
	EACH_PAGE_OF(fill, 1)
	EACH_PAGE_OF(fill, 2)
	EACH_PAGE_OF(fill_whole, 1)
	EACH_PAGE_OF(fill_whole, 2)
	EACH_PAGE_OF(fill_by_dma, 1)
	EACH_PAGE_OF(fill_by_dma, 2)
	EACH_PAGE(return_frame)
	od
}

/* ---- The lcore that owns the RX ring of VM v. ---- */

inline receive(v, p)
{
	d_step {
		airlockd == RUNS && vms[v].doing == IDLE && in_card[p] && packet[p] == v ->
		assert(state[p] == CARD);
		in_card[p] = 0;
		state[p] = HOST;
		vms[v].doing = HOLDS;
		vms[v].page = p;
		vms[v].saw_up = vms[v].up;
		check()
	}
}

/* It was copied into a private buffer of the VM, or dropped. */
inline copy_or_drop(v, p)
{
	d_step {
		airlockd == RUNS && lcore_has(p, v) ->
		give(p);
		vms[v].doing = IDLE;
		vms[v].page = 0;
		vms[v].saw_up = 0;
		check()
	}
}

/* It was copied into page p, which the VM has released and which is still mapped for it. */
inline renew(v, p)
{
	d_step {
		airlockd == RUNS && vms[v].doing == HOLDS && vms[v].saw_up &&
			state[p] == RELEASED && holder[p] == v && tag[p] == vms[v].tag ->
		front[p] = v;
		state[p] = LEASED;
		vms[v].posted[p] = 0;
		j = vms[v].page;
		give(j);
		j = 0;
		vms[v].doing = IDLE;
		vms[v].page = 0;
		vms[v].saw_up = 0;
		check()
	}
}

/* The VM has posted the very page that the packet is in: it will be mapped. */
inline lease(v, p)
{
	d_step {
		airlockd == RUNS && lcore_has(p, v) && vms[v].saw_up && vms[v].posted[p] ->
		assert(state[p] == HOST);
#ifndef NO_SCRUB
		/* What a long packet wrote is not scrubbed, but the model need not tell it apart. */
		if
		:: tag[p] != vms[v].tag -> rest[p] = ZERO
		:: else -> skip
		fi;
#endif
		state[p] = LEASED;
		tag[p] = vms[v].tag;
		holder[p] = v;
		packet[p] = 0;
			vms[v].doing = LEASES;
		check()
	}
}

#ifdef DEVICE
/* For the device first. */
inline map_dma(v, p)
{
	d_step {
		airlockd == RUNS && vms[v].doing == LEASES && vms[v].page == p &&
			has_device(v) && !vms[v].dma[p] ->
		vms[v].dma[p] = 1;
		check()
	}
}
#endif

inline map_page(v, p)
{
	d_step {
		airlockd == RUNS && vms[v].doing == LEASES && vms[v].page == p &&
			vms[v].reachable && (!has_device(v) || has_dma(v, p)) ->
		vms[v].mapped[p] = 1;
		vms[v].posted[p] = 0;
		vms[v].doing = IDLE;
		vms[v].page = 0;
		vms[v].saw_up = 0;
		check()
	}
}

/* The VMM is dead, or the kernel refuses. */
inline fail_to_map(v, p)
{
	d_step {
		airlockd == RUNS && vms[v].doing == LEASES && vms[v].page == p ->
		withdraw(p);
		vms[v].doing = IDLE;
		vms[v].page = 0;
		vms[v].saw_up = 0;
		check()
	}
}

/* The guest has posted page p, which says that it is through with it if it holds it. */
inline poll(v, p)
{
	d_step {
		airlockd == RUNS && !stop && vms[v].doing == IDLE && vms[v].alive && vms[v].up &&
			!vms[v].posted[p] ->
		vms[v].posted[p] = 1;
		if
		:: state[p] == LEASED && tag[p] == vms[v].tag -> state[p] = RELEASED
		:: else -> skip
		fi;
		check()
	}
}

/* Airlock wants the page back, for whatever reason: it is shared by many, or pages get few. */
inline take_back(v, p)
{
	d_step {
		airlockd == RUNS && vms[v].doing == IDLE && vms[v].up && holder[p] == v &&
			tag[p] == vms[v].tag &&
			(state[p] == RELEASED || (stop && state[p] == LEASED)) ->
		withdraw(p);
		check()
	}
}

proctype lcore(byte v)
{
end:	do
	EACH_PAGE_OF(receive, v)
	EACH_PAGE_OF(copy_or_drop, v)
	EACH_PAGE_OF(renew, v)
	EACH_PAGE_OF(lease, v)
#ifdef DEVICE
	EACH_PAGE_OF(map_dma, v)
#endif
	EACH_PAGE_OF(map_page, v)
	EACH_PAGE_OF(fail_to_map, v)
	EACH_PAGE_OF(poll, v)
	EACH_PAGE_OF(take_back, v)
	od
}

/* ---- The unmap thread. ---- */

#define of_window(v, p) (state[p] == UNMAPPING && holder[p] == v && vms[v].up && \
			 tag[p] == vms[v].tag)
#define to_ask(v, p)    (of_window(v, p) && request[p] == NOT_ASKED)
#ifdef LEAVE_DMA
#define is_closed(v, p) 1
#else
#define is_closed(v, p) (!has_dma(v, p))
#endif
#define answered(v, p)  (of_window(v, p) && request[p] == ANSWERED && is_closed(v, p))
/* Of a window that is no more. Its VMM may be alive, and the page table there say the truth. */
#ifdef FREE_ON_END
#define is_dark(v, p)   1
#else
#define is_dark(v, p)   (!vms[v].mapped[p])
#endif
#define proven(v, p)    (state[p] == UNMAPPING && holder[p] == v && \
			 !(vms[v].up && tag[p] == vms[v].tag) && is_dark(v, p) && is_closed(v, p))

inline ask(v)
{
	d_step {
		airlockd == RUNS && vms[v].linked && ANY_PAGE(to_ask, v) ->
		for (j : 0 .. PAGES - 1) {
			if
			:: to_ask(v, j) ->
#ifdef FREE_UNCONFIRMED
				request[j] = ANSWERED
#else
				request[j] = ASKED
#endif
			:: else -> skip
			fi
		}
		j = 0;
		check()
	}
}

inline take_answer(v)
{
	d_step {
		airlockd == RUNS && ANY_PAGE(answered, v) ->
		for (j : 0 .. PAGES - 1) {
			if
			:: answered(v, j) -> give(j)
			:: else -> skip
			fi
		}
		j = 0;
		check()
	}
}

/* The connection has ended: lcores that read so from now on begin nothing with the window. */
inline see_end(v)
{
	d_step {
		airlockd == RUNS && vms[v].up && !vms[v].linked ->
		vms[v].up = 0;
		vms[v].going = 1;
		check()
	}
}

#ifdef NO_QUIESCENCE
#define is_quiescent(v) 1
#else
#define is_quiescent(v) (vms[v].doing == IDLE)
#endif

/* No lcore is in an iteration that began before: what the VM held is in quarantine now. */
inline close_window(v)
{
	d_step {
		airlockd == RUNS && vms[v].going && is_quiescent(v) ->
		vms[v].going = 0;
		for (j : 0 .. PAGES - 1) {
			vms[v].posted[j] = 0;
			if
			:: holder[j] == v && (state[j] == LEASED || state[j] == RELEASED) -> withdraw(j)
			:: else -> skip
			fi;
			request[j] = (holder[j] == v -> NOT_ASKED : request[j])
		}
		j = 0;
		check()
	}
}

inline look_for_proof(v)
{
	d_step {
		airlockd == RUNS && ANY_PAGE(proven, v) ->
		for (j : 0 .. PAGES - 1) {
			if
			:: proven(v, j) -> give(j)
			:: else -> skip
			fi
		}
		j = 0;
		check()
	}
}

#ifdef DEVICE
/* Strict or batched: at any moment until the page is given back. */
inline unmap_dma(v, p)
{
	d_step {
		airlockd == RUNS && state[p] == UNMAPPING && holder[p] == v && vms[v].dma[p] ->
		vms[v].dma[p] = 0;
		check()
	}
}
#endif

proctype unmap()
{
end:	do
#ifdef DEVICE
	EACH_PAGE_OF(unmap_dma, 1)
#endif
	:: ask(1) :: ask(2)
	:: take_answer(1) :: take_answer(2)
	:: see_end(1) :: see_end(2)
	:: close_window(1) :: close_window(2)
	:: look_for_proof(1) :: look_for_proof(2)
	od
}

/* ---- The agent in VM v's VMM. ---- */

#define is_asked(v, p) (holder[p] == v && request[p] == ASKED)

inline do_unmap(v)
{
	d_step {
		vms[v].alive && vms[v].linked && ANY_PAGE(is_asked, v) ->
		for (j : 0 .. PAGES - 1) {
			if
			:: is_asked(v, j) ->
				vms[v].mapped[j] = 0;
				request[j] = ANSWERED
			:: else -> skip
			fi
		}
		j = 0;
		check()
	}
}

#define is_mapped(v, p) (vms[v].mapped[p])
#if defined(NO_HIDE) || defined(HIDE_ONCE)
#define to_hide(v)      (vms[v].serving)
#else
#define to_hide(v)      (vms[v].serving || ANY_PAGE(is_mapped, v))
#endif

/* An lcore that does not know yet that the connection has ended may still map a page: therefore the
 * agent hides the window before each try to connect, and again when airlockd has accepted. */
inline hide(v)
{
	d_step {
		vms[v].alive && !vms[v].linked && to_hide(v) ->
#ifndef NO_HIDE
		for (j : 0 .. PAGES - 1) {
			vms[v].mapped[j] = 0
		}
		j = 0;
#endif
		vms[v].serving = 0;
		check()
	}
}

/* A second agent is refused while airlockd takes the first one to be there. */
inline say_hello(v)
{
	d_step {
		vms[v].alive && !vms[v].serving && airlockd == RUNS && !stop && !vms[v].up &&
			!vms[v].going ->
#if !defined(NO_HIDE) && !defined(HIDE_ONCE)
		for (j : 0 .. PAGES - 1) {
			vms[v].mapped[j] = 0
		}
		j = 0;
#endif
		vms[v].serving = 1;
		vms[v].linked = 1;
		vms[v].up = 1;
		vms[v].reachable = 1;
#ifdef TAG_IS_VM
		vms[v].tag = v;
#else
		vms[v].tag = v + NB_VMS * vms[v].nb_windows;
		vms[v].nb_windows++;
#endif
		check()
	}
}

proctype agent(byte v)
{
end:	do
	:: do_unmap(v)
	:: hide(v)
	:: say_hello(v)
	od
}

/* ---- The guest in VM v. ---- */

inline scribble(v, p)
{
	d_step {
		((vms[v].alive && vms[v].mapped[p]) || has_dma(v, p)) &&
			(front[p] != v || rest[p] != v) ->
		front[p] = v;
		rest[p] = v;
		check()
	}
}

/* A page that is not in the file is made by the first access, unless that is caught as well. */
inline touch_hole(v, p)
{
	d_step {
		vms[v].alive && airlockd == PUNCHED && !vms[v].mapped[p] ->
		vms[v].mapped[p] = 1;
		check()
	}
}

proctype guest(byte v)
{
end:	do
	EACH_PAGE_OF(scribble, v)
#ifdef MINOR_ONLY
	EACH_PAGE_OF(touch_hole, v)
#endif
	od
}

/* ---- What goes wrong. The VMs are alike, so it is enough if VM 1 has the bad luck. ---- */

inline break_connection(v)
{
	d_step {
		vms[v].linked && breaks > 0 ->
		breaks--;
		vms[v].linked = 0;
		check()
	}
}

/* The guest that comes next under this VM's name is another: what this one wrote is not its own. */
inline kill_vmm(v)
{
	d_step {
		vms[v].alive && deaths > 0 ->
		deaths--;
		vms[v].alive = 0;
		vms[v].serving = 0;
		vms[v].linked = 0;
		vms[v].reachable = 0;
		for (j : 0 .. PAGES - 1) {
			vms[v].mapped[j] = 0;
			rest[j] = (rest[j] == v -> ANYBODY : rest[j]);
			front[j] = (front[j] == v && packet[j] != v -> ANYBODY : front[j])
		}
		j = 0;
		check()
	}
}

inline start_vmm(v)
{
	d_step {
		!vms[v].alive && !stop ->
		vms[v].alive = 1;
		check()
	}
}

inline forget(v)
{
	vms[v].linked = 0;
	vms[v].up = 0;
	vms[v].going = 0;
	vms[v].reachable = 0;
	vms[v].tag = 0;
	vms[v].nb_windows = 0;
	vms[v].doing = IDLE;
	vms[v].page = 0;
	vms[v].saw_up = 0;
	for (j : 0 .. PAGES - 1) {
		vms[v].posted[j] = 0
	}
}

inline kill_airlockd()
{
	d_step {
		airlockd == RUNS && !stop && restarts > 0 ->
		restarts--;
		airlockd = DEAD;
		forget(1);
		forget(2);
		for (j : 0 .. PAGES - 1) {
			state[j] = FREE;
			tag[j] = NOBODY;
			in_mempool[j] = 1;
			in_card[j] = 0;
			holder[j] = 0;
			packet[j] = 0;
			request[j] = NOT_ASKED
		}
		j = 0;
		check()
	}
}

/* The pages are taken out of the file, and so out of every page table there is. */
inline punch()
{
	d_step {
		airlockd == DEAD ->
		airlockd = PUNCHED;
#ifndef NO_PUNCH
		for (j : 0 .. PAGES - 1) {
			vms[1].mapped[j] = 0;
			vms[2].mapped[j] = 0;
#ifdef DEVICE
			vms[1].dma[j] = 0;
#endif
			front[j] = ZERO;
			rest[j] = ZERO
		}
		j = 0;
#endif
		check()
	}
}

inline populate()
{
	d_step {
		airlockd == PUNCHED ->
		airlockd = RUNS;
		check()
	}
}

proctype world()
{
end:	do
	:: break_connection(1)
	:: kill_vmm(1)
#ifdef ANY_VMM_DIES
	:: kill_vmm(2)
#endif
	:: start_vmm(1) :: start_vmm(2)
	:: kill_airlockd()
	:: punch()
	:: populate()
	:: d_step { airlockd == RUNS && !stop -> stop = 1; check() }
	od
}

#define is_free(p) (state[p] == FREE)
#define all_free   ALL_PAGES(is_free)

/* Nobody can do anything any more: no page is lost. */
proctype last()
{
end:	timeout;
	assert(all_free)
}

#ifdef COMES_BACK
ltl comes_back { [] (stop -> <> all_free) }
#endif

init
{
	d_step {
		for (j : 0 .. PAGES - 1) {
			state[j] = FREE;
			in_mempool[j] = 1;
			request[j] = NOT_ASKED;
			front[j] = ANYBODY;
			rest[j] = ANYBODY
		}
		for (j : 1 .. NB_VMS) {
			vms[j].alive = 1;
			vms[j].doing = IDLE
		}
		j = 0
	}
	atomic {
		run card();
		run unmap();
		run world();
		run last();
		run lcore(1);
		run lcore(2);
		run agent(1);
		run agent(2);
		run guest(1);
		run guest(2)
	}
}
